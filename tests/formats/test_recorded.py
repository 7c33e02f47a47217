"""What sites once printed, from 2016 to 2026: every row is read, or set aside with a reason, and counted.

The recordings lie outside the repository: CARBONSLURM_DATA names the folder above slurm-outputs.
"""

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from carbonslurm.core.accounted import SHADOWED
from carbonslurm.core.job import JobState
from carbonslurm.formats.look import read_look
from carbonslurm.formats.sacct import read_accounted

# What the daemon never asks for. A recording that nobody reads and that is not named here fails a test.
NOT_ASKED_FOR = {
    "sacct-json/*": "sacct is asked for text, which every version prints alike",
    "slurmdb-json/*": "slurmrestd is not asked",
    "slurmrestd-json/*/slurmdb-*": "slurmrestd is not asked",
    "scontrol-show-job/*": "jobs are read from squeue: scontrol would need one call for each",
    "squeue-text/*": "squeue's text is read in our own columns, with marks made for the call",
}
PIN = "v0.0.42"  # any: what is read is what all shapes so far have in common
LOOKS = ("squeue-json/*", "slurmrestd-json/*/slurm-job*")


@dataclass(frozen=True, slots=True)
class Dump:
    """How a site printed sacct's text, without a header, and what of it is no run of its own."""

    name: str
    delimiter: str
    columns: list[str]
    cluster: str = ""
    steps: int = 0
    set_aside: dict[str, int] = field(default_factory=dict)


_SONAR = (
    "JobIDRaw JobID User Account State Start End AveCPU AveDiskRead AveDiskWrite AveRSS AveVMSize ElapsedRaw "
    "ExitCode Layout MaxRSS MaxVMSize MinCPU ReqCPUS ReqMem ReqNodes Reservation Submit Suspended SystemCPU "
    "TimelimitRaw UserCPU NodeList Partition AllocTRES Priority JobName"
)
_XDMOD = (
    "JobID JobIDRaw Cluster Partition QOS Account Group GID User UID Submit Eligible Start End Elapsed "
    "ExitCode State NNodes NCPUS ReqCPUS ReqMem ReqTRES AllocTRES Timelimit NodeList JobName"
)
_RUG = (
    "JobID JobName User Partition NodeList NNodes NCPUS NTasks State Submit Start End Timelimit Elapsed "
    "TotalCPU UserCPU SystemCPU ReqMem MaxRSS TRESUsageInTot TRESUsageOutTot MaxDiskRead MaxDiskWrite "
    "MaxRSSNode MaxDiskReadNode MaxDiskWriteNode Comment AdminComment"
)
DUMPS = [
    Dump(
        "rug-2021-sacct.txt",
        "☃",
        _RUG.split(),
        steps=48,
        # Names were made unknown one by one, so that rows that were printed twice differ in them.
        set_aside={"a task of an array without its JobIDRaw": 2, SHADOWED: 16},
    ),
    Dump("sonar-2024-sacct-output.txt", "|", _SONAR.split(), steps=67),
    Dump("xdmod-phillips.sacct-P.log.gz", "|", _XDMOD.split(), "phillips"),
    Dump("xdmod-pozidriv.sacct-P.log.gz", "|", _XDMOD.split(), "pozidriv"),
]


@pytest.fixture(scope="module")
def recordings() -> Path:
    root = os.environ.get("CARBONSLURM_DATA")
    if not root:
        pytest.skip("CARBONSLURM_DATA names no folder with recorded answers")
    return Path(root) / "slurm-outputs"


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def looks(recordings: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each job of each recorded answer, with the file that it stands in; some hold one bare job."""
    for pattern in LOOKS:
        for path in sorted(recordings.glob(pattern)):
            answer = json.loads(content(path))
            for job in answer.get("jobs", [answer]):
                yield str(path.relative_to(recordings)), job


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.name)
def test_every_row_of_sacct_is_a_run_or_set_aside_with_its_reason(recordings: Path, dump: Dump) -> None:
    text = content(recordings / "sacct-P" / dump.name).decode("utf-8", errors="replace")
    lines = [line for line in text.splitlines() if line]
    # Times are local ones of places that are not told: UTC will do for telling them apart.
    read = read_accounted(text, dump.delimiter, dump.cluster, dump.columns, UTC)
    assert Counter(item.reason for item in read.aside) == dump.set_aside
    assert (read.steps, read.rows) == (dump.steps, len(lines))
    for run in read.runs:
        assert 2016 <= run.key.submitted.year <= 2026
        assert run.ended is None or run.started is None or run.started <= run.ended
        assert run.state.isupper()


def test_every_job_of_recorded_json_is_seen(recordings: Path) -> None:
    seen = 0
    for name, job in looks(recordings):
        sights = read_look(json.dumps({"jobs": [job]}).encode(), [job["job_id"]], PIN)
        assert list(sights) == [job["job_id"]], name
        sight = sights[job["job_id"]]
        shown = job["job_state"] if isinstance(job["job_state"], list) else [job["job_state"]]
        assert sight.state is {
            "PENDING": JobState.PENDING,
            "RUNNING": JobState.RUNNING,
        }.get(shown[0], JobState.ENDED), name
        assert sight.eligible is None or sight.eligible > datetime(2016, 1, 1, tzinfo=UTC), name
        assert (sight.started is not None) or sight.state is not JobState.RUNNING, name
        seen += 1
    assert seen > 0


def test_whole_answers_lose_no_job(recordings: Path) -> None:
    for pattern in LOOKS:
        for path in recordings.glob(pattern):
            answer = json.loads(content(path))
            if "jobs" in answer:
                numbers = [job["job_id"] for job in answer["jobs"]]
                assert sorted(read_look(content(path), numbers, PIN)) == sorted(set(numbers)), path.name


def test_every_recording_is_read_or_named_with_the_reason_why_not(recordings: Path) -> None:
    read = {recordings / "sacct-P" / dump.name for dump in DUMPS}
    for pattern in (*LOOKS, *NOT_ASKED_FOR):
        found = set(recordings.glob(pattern))
        assert found, pattern
        read |= found
    assert {path for path in recordings.glob("*/**/*") if path.is_file()} == read
