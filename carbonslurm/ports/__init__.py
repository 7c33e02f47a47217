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
    IntensityReader,
    MixSource,
    Offer,
    OwnArchive,
    Revision,
)
from carbonslurm.ports.energy import EnergySource
from carbonslurm.ports.ledger import (
    ActionLog,
    Asking,
    CycleLog,
    CycleReport,
    JobBook,
    JobMemory,
    Lease,
    MeasurementBook,
    Outcome,
    OutcomeState,
    Pause,
    QueueBook,
    QueuePass,
    RunBook,
    RunToFigure,
    StopLog,
)
from carbonslurm.ports.monitoring import KnownCarbon
from carbonslurm.ports.reading import (
    ActionRow,
    LedgerReader,
    PlanRow,
    RunFilter,
    RunRow,
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
    "Asking",
    "CarbonAnswer",
    "CarbonSource",
    "CycleLog",
    "CycleReport",
    "EnergySource",
    "FetchArchive",
    "ForecastReader",
    "Gate",
    "HistoryArchive",
    "HistorySource",
    "HoldReader",
    "IntensityReader",
    "JobBook",
    "JobMemory",
    "KnownCarbon",
    "Lease",
    "LedgerReader",
    "MeasurementBook",
    "MixSource",
    "Offer",
    "Outcome",
    "OutcomeState",
    "OwnArchive",
    "Pause",
    "PlanRow",
    "QueueBook",
    "QueuePass",
    "QueueReader",
    "Revision",
    "RunBook",
    "RunControl",
    "RunFilter",
    "RunRow",
    "RunToFigure",
    "Setting",
    "SiteFactors",
    "StopLog",
    "Terms",
]
