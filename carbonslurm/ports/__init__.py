"""The small Protocols through which the use cases in ``app`` reach the world.

Each is owned by its users, has few methods and returns facts, never verdicts. ``wiring`` hands the adapters
in; the simulated cluster and the tests hand in theirs. Every moment is aware and UTC. Methods raise only the
errors of ``carbonslurm.errors``: UnavailableError where the other side is away, RefusedError where it says
no, LedgerError where the ledger cannot be read or written.
"""

from carbonslurm.core.rest import Terms
from carbonslurm.ports.carbon import (
    ArchivedSource,
    ArchiveReader,
    AskedBook,
    AskedReader,
    CarbonAnswer,
    CarbonSource,
    FetchArchive,
    ForecastReader,
    HistoryArchive,
    HistorySource,
    IntensityArchive,
    MixSource,
    Offer,
    OwnArchive,
    Revision,
)
from carbonslurm.ports.ledger import (
    ActionLog,
    CycleLog,
    CycleReport,
    JobBook,
    JobMemory,
    Lease,
    Outcome,
    OutcomeState,
    Pause,
    RunBook,
    RunToFigure,
    StopLog,
)
from carbonslurm.ports.monitoring import KnownCarbon
from carbonslurm.ports.reading import (
    ActionRow,
    Dimension,
    LedgerReader,
    PlanRow,
    RunFilter,
    RunRow,
    RunSum,
    SumReader,
)
from carbonslurm.ports.slurm import (
    Accounting,
    Actuator,
    Gate,
    HoldReader,
    QueueReader,
    RunControl,
    Setting,
    SiteFactors,
)

__all__ = [
    "Accounting",
    "ActionLog",
    "ActionRow",
    "Actuator",
    "ArchiveReader",
    "ArchivedSource",
    "AskedBook",
    "AskedReader",
    "CarbonAnswer",
    "CarbonSource",
    "CycleLog",
    "CycleReport",
    "Dimension",
    "FetchArchive",
    "ForecastReader",
    "Gate",
    "HistoryArchive",
    "HistorySource",
    "HoldReader",
    "IntensityArchive",
    "JobBook",
    "JobMemory",
    "KnownCarbon",
    "Lease",
    "LedgerReader",
    "MixSource",
    "Offer",
    "Outcome",
    "OutcomeState",
    "OwnArchive",
    "Pause",
    "PlanRow",
    "QueueReader",
    "Revision",
    "RunBook",
    "RunControl",
    "RunFilter",
    "RunRow",
    "RunSum",
    "RunToFigure",
    "Setting",
    "SiteFactors",
    "StopLog",
    "SumReader",
    "Terms",
]
