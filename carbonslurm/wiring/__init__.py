"""Configuration -> objects: the only room that knows every other.

Each function builds what one command needs and imports it then, so that ``carbon-sbatch --help`` does not pay
for a database. Nothing is built twice and nothing is kept here. What others call is named below; they say
``wiring.queue(config)``, whichever module it is in.
"""

from carbonslurm.wiring.acting import (
    cycle,
    ingest,
    letting_go,
    rescue,
    spending,
    stopping,
    telling,
)
from carbonslurm.wiring.books import (
    accounts,
    lease,
    ledger,
    machine_groups,
    place,
    reading,
    turn_switch,
)
from carbonslurm.wiring.carbon import (
    asking,
    backfill,
    between_rounds,
    carbon_offers,
    carbon_sources,
    forecasting,
    supply,
    unreadable_secrets,
)
from carbonslurm.wiring.clock import (
    now,
)
from carbonslurm.wiring.energy import (
    energy_sources,
)
from carbonslurm.wiring.grid import (
    chain,
    direct,
    filling,
)
from carbonslurm.wiring.hook import (
    account_uid,
    check_holder,
    hook_settings,
    rule_for,
)
from carbonslurm.wiring.looks import (
    daemon_is_alive,
    doctor,
)
from carbonslurm.wiring.past import (
    cluster_nodes,
    past_accounting,
)
from carbonslurm.wiring.rules import (
    allowances,
    compensates,
    cycle_rules,
    figure_rules,
    forecast_rules,
    learns,
    looking,
    means,
    plan_rules,
    power,
    zones,
)
from carbonslurm.wiring.slurm import (
    actuators,
    begin,
    gate,
    queue,
    slurm_environment,
    wire,
)

__all__ = [
    "account_uid",
    "accounts",
    "actuators",
    "allowances",
    "asking",
    "backfill",
    "begin",
    "between_rounds",
    "carbon_offers",
    "carbon_sources",
    "chain",
    "check_holder",
    "cluster_nodes",
    "compensates",
    "cycle",
    "cycle_rules",
    "daemon_is_alive",
    "direct",
    "doctor",
    "energy_sources",
    "figure_rules",
    "filling",
    "forecast_rules",
    "forecasting",
    "gate",
    "hook_settings",
    "ingest",
    "learns",
    "lease",
    "ledger",
    "letting_go",
    "looking",
    "machine_groups",
    "means",
    "now",
    "past_accounting",
    "place",
    "plan_rules",
    "power",
    "queue",
    "reading",
    "rescue",
    "rule_for",
    "slurm_environment",
    "spending",
    "stopping",
    "supply",
    "telling",
    "turn_switch",
    "unreadable_secrets",
    "wire",
    "zones",
]
