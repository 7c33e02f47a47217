"""Every row that sites once printed of sacct is in the ledger by its own words, or set aside as printed.

The rows are read here by other means than ``ledger import``: cut at the delimiter, times and lengths by
Python's own reading, one row after the other.
"""

import csv
import gzip
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from carbonslurm.cli.ledger import ledger
from carbonslurm.core.job import AccountedRun
from carbonslurm.ledger.reading import Reading
from carbonslurm.ports import AsideRow, RunFilter


def _run(*words: str | Path) -> Result:
    return CliRunner().invoke(ledger, [str(word) for word in words])


XDMOD = (
    "JobID,JobIDRaw,Cluster,Partition,QOS,Account,Group,GID,User,UID,Submit,Eligible,Start,End,Elapsed,"
    "ExitCode,State,NNodes,NCPUS,ReqCPUS,ReqMem,ReqTRES,AllocTRES,Timelimit,NodeList,JobName"
)
SONAR = (
    "JobIDRaw,JobID,User,Account,State,Start,End,AveCPU,AveDiskRead,AveDiskWrite,AveRSS,AveVMSize,ElapsedRaw,"
    "ExitCode,Layout,MaxRSS,MaxVMSize,MinCPU,ReqCPUS,ReqMem,ReqNodes,Reservation,Submit,Suspended,SystemCPU,"
    "TimelimitRaw,UserCPU,NodeList,Partition,AllocTRES,Priority,JobName"
)
RUG = (
    "JobID,JobName,User,Partition,NodeList,NNodes,NCPUS,NTasks,State,Submit,Start,End,Timelimit,Elapsed,"
    "TotalCPU,UserCPU,SystemCPU,ReqMem,MaxRSS,TRESUsageInTot,TRESUsageOutTot,MaxDiskRead,MaxDiskWrite,"
    "MaxRSSNode,MaxDiskReadNode,MaxDiskWriteNode,Comment,AdminComment"
)
TEXT = "slurm-outputs/sacct-P/"
KEPT = {
    f"{TEXT}xdmod-phillips.sacct-P.log.gz": ("phillips", (4285, 4285, 0, 0), ("--columns", XDMOD)),
    f"{TEXT}xdmod-pozidriv.sacct-P.log.gz": ("pozidriv", (11704, 11704, 0, 0), ("--columns", XDMOD)),
    f"{TEXT}sonar-2024-sacct-output.txt": ("sonar", (96, 29, 67, 0), ("--columns", SONAR)),
    f"{TEXT}rug-2021-sacct.txt": ("rug", (85, 19, 48, 18), ("--columns", RUG, "--delimiter", "☃")),
    "jobs/mit-supercloud-2021.csv.gz": ("mit", (9628, 9628, 0, 0), ()),
    "jobs/xdmod-phillips-2016.csv.gz": ("phillips", (4285, 4285, 0, 0), ()),
    "jobs/xdmod-pozidriv-2016.csv.gz": ("pozidriv", (11704, 11704, 0, 0), ()),
    "slurm-outputs/sacct-json/21.08.8-2-clockwork-1.json": ("cedar", (2, 1, 0, 1), ()),
    "slurm-outputs/sacct-json/21.08.8-2-clockwork-2.json": ("cedar", (2, 2, 0, 0), ()),
    "slurm-outputs/sacct-json/21.08.8-2-sarc.json": ("cedar", (1, 1, 0, 0), ()),
    "slurm-outputs/sacct-json/22.05.9-sarc.json": ("narval", (1, 1, 0, 0), ()),
    "slurm-outputs/sacct-json/23.02.6-sarc.json": ("mila", (1, 0, 0, 1), ()),
    "slurm-outputs/sacct-json/23.11.5-sarc.json": ("mila", (1, 0, 0, 1), ()),
    "slurm-outputs/slurmdb-json/22.05.5-firecrest-job_from_db.json": ("cluster", (2, 1, 1, 0), ()),
    "slurm-outputs/slurmdb-json/24.11.3-firecrest-jobs_by_name_from_db.json": ("cluster", (10, 5, 5, 0), ()),
}


@pytest.mark.parametrize("name", KEPT)
def test_every_row_that_a_site_kept_is_accounted_for(name: str, path: Path) -> None:
    root = os.environ.get("CARBONSLURM_DATA")
    if not root:
        pytest.skip("CARBONSLURM_DATA names no folder with what sites kept")
    cluster, expected, words = KEPT[name]
    given = ("--path", path, "--cluster", cluster, "--timezone", "Europe/Amsterdam", "--json")
    result = _run("import", "--sacct", f"{root}/{name}", *given, *words)
    assert result.exit_code == 0, result.exception
    counts = json.loads(result.output)
    assert tuple(counts[part] for part in ("rows", "runs", "steps", "aside")) == expected
    with Reading.open(path) as reading:
        stored, aside = reading.runs(RunFilter()), reading.aside()
    assert len(stored) == counts["runs"]
    assert sum(Counter(row.item.reason for row in aside).values()) == counts["newly_aside"]
    assert {row.run.key.cluster for row in stored} <= {cluster}


ROW_BY_ROW = [name for name in KEPT if name.startswith((f"{TEXT}xdmod", f"{TEXT}sonar", "jobs/"))]
MINE = {  # sacct's names -> those of the traces
    "JobIDRaw": "job_id",
    "Submit": "submit_time",
    "Start": "start_time",
    "End": "end_time",
    "State": "state",
    "User": "user",
    "Elapsed": "duration_s",
    "NCPUS": "cpus",
}


@pytest.mark.parametrize("name", ROW_BY_ROW)
def test_row_by_row_each_is_a_run_a_step_or_set_aside(name: str, path: Path) -> None:
    """Runs, steps and what was set aside are as many as the rows, and each run says what its row says."""
    root = os.environ.get("CARBONSLURM_DATA")
    if not root:
        pytest.skip("CARBONSLURM_DATA names no folder with what sites kept")
    cluster, expected, words = KEPT[name]
    given = ("--path", path, "--cluster", cluster, "--timezone", "Europe/Amsterdam")
    assert _run("import", "--sacct", f"{root}/{name}", *given, *words).exit_code == 0
    with Reading.open(path) as reading:
        stored = {(run.key.job_id, run.key.submitted): run for run in _runs_of(reading)}
        aside = reading.aside()
    became = Counter(
        _became(row, stored, aside) for row in _rows_of(Path(root) / name, words[1] if words else None)
    )
    assert (became.total(), became["run"], became["step"], became["aside"]) == expected
    assert became["run"] == len(stored)


def test_the_sums_of_a_dump_are_those_of_its_rows(path: Path) -> None:
    """CPU hours, GPU hours and runs by user, of a whole site's week, against the rows' own Elapsed."""
    root = os.environ.get("CARBONSLURM_DATA")
    if not root:
        pytest.skip("CARBONSLURM_DATA names no folder with what sites kept")
    name = f"{TEXT}xdmod-pozidriv.sacct-P.log.gz"
    given = ("--path", path, "--cluster", "pozidriv", "--timezone", "America/New_York", "--columns", XDMOD)
    assert _run("import", "--sacct", f"{root}/{name}", *given).exit_code == 0
    rows = list(_rows_of(Path(root) / name, XDMOD))
    with Reading.open(path) as reading:
        runs = _runs_of(reading)
    assert sum(_seconds(run) * run.tres.cpus for run in runs) == sum(
        _elapsed(row["Elapsed"]) * int(row["NCPUS"]) for row in rows if row["Start"][:2] == "20"
    )
    assert Counter(run.user for run in runs) == Counter(row["User"] for row in rows)
    assert Counter(run.state for run in runs) == Counter(row["State"].split()[0] for row in rows)


def _runs_of(reading: Reading) -> list[AccountedRun]:
    return [row.run for row in reading.runs(RunFilter())]


def _rows_of(file: Path, columns: str | None) -> Iterator[dict[str, str]]:
    """Cut a file into rows: no more than the delimiter is known of it."""
    with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
        if columns is None:
            yield from csv.DictReader(lines)
            return
        for line in lines:
            yield dict(zip(columns.split(","), line.rstrip("\n").split("|"), strict=True))


def _became(
    row: Mapping[str, str],
    stored: Mapping[tuple[int, datetime], AccountedRun],
    aside: Sequence[AsideRow],
) -> str:
    """Say what a row became; where it became nothing, or another run than it says, that fails."""
    said = {name: row.get(name, row.get(other, "")) for name, other in MINE.items()}
    job, _, step = said["JobIDRaw"].partition(".")
    if step:
        assert job in {str(number) for number, _ in stored} | {it.item.job for it in aside}, row
        return "step"
    run = stored.get((int(job), _moment(said["Submit"])))
    if run is None:
        assert "|".join(row.values()) in {it.item.row for it in aside}, row
        return "aside"
    assert run.state == said["State"].split(" ")[0]
    assert run.user == said["User"]
    if run.started is not None:
        assert run.started == _moment(said["Start"])
        assert not said["Elapsed"] or _seconds(run) == _elapsed(said["Elapsed"])
    assert not said["NCPUS"] or run.tres.cpus == int(said["NCPUS"])
    return "run"


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo("Europe/Amsterdam"))


def _seconds(run: AccountedRun) -> float:
    return (run.ended - run.started).total_seconds() if run.started and run.ended else 0.0


def _elapsed(text: str) -> float:
    """Read ``[days-]hours:minutes:seconds``, or seconds."""
    days, _, clock = text.rpartition("-")
    units = [int(part) for part in clock.split(":")]
    seconds = sum(unit * 60**place for place, unit in enumerate(reversed(units)))
    return timedelta(days=int(days or 0), seconds=seconds).total_seconds()
