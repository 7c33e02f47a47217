"""What doctor looks at."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from carbonslurm.wiring.books import lease, place, reading
from carbonslurm.wiring.carbon import carbon_sources
from carbonslurm.wiring.clock import now
from carbonslurm.wiring.energy import energy_sources
from carbonslurm.wiring.hook import check_holder, hook_settings
from carbonslurm.wiring.rules import compensates, forecast_rules, means, zones
from carbonslurm.wiring.slurm import queue, wire

if TYPE_CHECKING:
    from carbonslurm.app.doctor import Doctor, Look
    from carbonslurm.config import Config
    from carbonslurm.core.rest import Asked, QuestionKey


def doctor(config: Config) -> Doctor:
    """Return everything that doctor looks at."""
    import pwd
    from functools import partial

    from carbonslurm.app.doctor import Doctor, Look, look_at_room
    from carbonslurm.core.means import Means
    from carbonslurm.core.policy_names import JOINT
    from carbonslurm.formats.hook import render_hook_settings
    from carbonslurm.slurm import looks

    slurm, uid = wire(config), os.geteuid()
    user, gate_rules = pwd.getpwuid(uid).pw_name, means(config).gate
    taken = [
        Look("slurmctld", partial(looks.controller, slurm, config.cluster)),
        Look("queue", partial(looks.snapshot, queue(config).snapshot)),
        *([Look("room", partial(look_at_room, queue(config)))] if config.policy.name == JOINT else []),
        Look("rights", partial(looks.account_rights, slurm, user, uid)),
        Look("hook", partial(looks.hook, slurm, render_hook_settings(hook_settings(config)))),
        Look("accounting", partial(looks.accounting, slurm)),
        Look("clocks", partial(looks.clocks, slurm, now)),
        Look("age", partial(looks.age, slurm, config.cluster, compensates(config))),
        *([Look("hold", partial(_look_at_holds, config))] if Means.HOLD in means(config).in_use() else []),
        *([Look("gate", partial(looks.gate, slurm, gate_rules))] if gate_rules else []),
        Look("share", partial(looks.share, slurm, uid)),
        Look("rates", partial(looks.rates, slurm, uid, config.cycle.updates, config.cycle.interval)),
        Look("ledger", partial(_look_at_ledger, config)),
        Look("daemon", partial(_look_at_daemon, config)),
        Look("switch", partial(_look_at_switch, config)),
    ]
    planned = sorted(zones(config).all())
    forecasts = [Look(f"forecast {zone}", partial(_look_at_forecast, config, zone)) for zone in planned]
    meters = [Look(f"meters {source.query.name}", source.answers) for source in energy_sources(config)]
    return Doctor([*taken, *_looks_at_sources(config), *forecasts, *meters])


def _looks_at_sources(config: Config) -> list[Look]:
    from functools import partial

    from carbonslurm.app.asking import source_keys
    from carbonslurm.app.doctor import Look, look_at_source

    found = carbon_sources(config)
    return [
        Look(f"zone {source.zone}", partial(look_at_source, source, now, partial(_remembered, config, key)))
        for key, source in zip(source_keys(found), found, strict=True)
    ]


def _remembered(config: Config, key: QuestionKey) -> Asked:
    """What the daemon remembers of asking; without its ledger nothing."""
    from carbonslurm.core.rest import NEVER
    from carbonslurm.errors import LedgerError

    try:
        with reading(config) as book:
            return book.asked().get(key, NEVER)
    except LedgerError:
        return NEVER


def _look_at_forecast(config: Config, zone: str) -> str:
    from carbonslurm.app.doctor import look_at_forecast
    from carbonslurm.app.forecasts import usable_forecasts

    with reading(config) as book:
        return look_at_forecast(usable_forecasts(book, [zone], now(), forecast_rules(config))[zone])


def _look_at_holds(config: Config) -> str:
    from carbonslurm.app.doctor import look_at_holds
    from carbonslurm.slurm.hold import SlurmHolds

    check_holder(config)
    with reading(config) as book:
        return look_at_holds(queue(config).snapshot(), book, SlurmHolds(wire(config)))


def _look_at_ledger(config: Config) -> str:
    reading(config).close()
    if not place(config).is_writable():
        return f"{config.ledger}: readable (this account may not write it; the daemon's must)"
    return f"{config.ledger}: readable and writable"


def daemon_is_alive(config: Config) -> bool:
    """Tell whether the daemon's last cycle is not long ago."""
    from carbonslurm.app.doctor import STALE_CYCLES

    with reading(config) as book:
        last = book.last_cycle(config.cluster)
    return last is not None and now() - last[0] <= STALE_CYCLES * config.cycle.interval


def _look_at_switch(config: Config) -> str:
    from carbonslurm.core.interval import iso

    with reading(config) as book:
        pause = book.pause_of(config.cluster)
    return f"paused since {iso(pause.since)} by {pause.by}: {pause.reason}" if pause else "not paused"


def _look_at_daemon(config: Config) -> str:
    from carbonslurm.app.doctor import look_at_daemon

    with reading(config) as book:
        found = look_at_daemon(book, config.cluster, config.cycle.interval, now())
    return f"{found}, {lease(config).holder()}"
