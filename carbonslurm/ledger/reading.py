"""The ledger as everybody else holds it: open for reading, with all that may be asked of it."""

from carbonslurm.ledger.accounts import Accounts
from carbonslurm.ledger.archive import ArchiveReader
from carbonslurm.ledger.aside import AsideReader
from carbonslurm.ledger.asked import AskedReader
from carbonslurm.ledger.habits import Habits
from carbonslurm.ledger.loads import Loads
from carbonslurm.ledger.memory import Memory
from carbonslurm.ledger.past import PastReader
from carbonslurm.ledger.plain import TableReader
from carbonslurm.ledger.pruning import Pruning
from carbonslurm.ledger.running import RunningReader
from carbonslurm.ledger.switch import SwitchReader


class Reading(
    Accounts,
    Loads,
    Habits,
    PastReader,
    ArchiveReader,
    AskedReader,
    AsideReader,
    Memory,
    Pruning,
    RunningReader,
    SwitchReader,
    TableReader,
):
    """A ledger that cannot be written: its readers of ``ports``, and what is ours."""
