"""Jobs that ran once, whatever they were written in: what ``traces`` reads, and what is run again."""

from collections.abc import Mapping
from dataclasses import dataclass

from carbonslurm.core.tag import Tag

NO_LENGTH = "without a length"
UNREAD = "rows of sacct that are no runs"


@dataclass(frozen=True, slots=True)
class TracedJob:
    """One job of a trace.

    Attributes:
        job_id: the source's own.
        submitted: Unix seconds, or seconds from the trace's beginning where that is not dated.
        length: how long it ran, seconds, above zero.
        limit: its time limit in seconds, None where unknown or none.
        cpus: in all of its nodes; None where unknown, as the next two.
        gpus: likewise.
        nodes: on how many.
        user: empty where unknown, as the next ones.
        started: when it really started, as ``submitted``; None where unknown.
        eligible: when it could first have started, likewise.
        tag: what its owner declared, None where nothing or where that is unknown.
        data_gb: the data that it works on, GB; None where unknown.
    """

    job_id: str
    submitted: float
    length: float
    limit: float | None = None
    cpus: float | None = None
    gpus: float | None = None
    nodes: float | None = None
    user: str = ""
    account: str = ""
    partition: str = ""
    gpu_type: str = ""
    qos: str = ""
    started: float | None = None
    eligible: float | None = None
    tag: Tag | None = None
    data_gb: float | None = None


@dataclass(frozen=True, slots=True)
class TracedJobs:
    """What a file holds.

    Attributes:
        jobs: in the file's order.
        dated: whether their times are moments; False for offsets.
        left_out: why rows are not among them, and how many.
        unread: what was wrong with rows that could not be read and were passed over, a line each; steps are
            no such rows.
    """

    jobs: tuple[TracedJob, ...]
    dated: bool
    left_out: Mapping[str, int]
    unread: tuple[str, ...] = ()
