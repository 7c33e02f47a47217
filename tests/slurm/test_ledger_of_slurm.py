"""Every kind of run that slurmdbd can tell of, side by side in one real Slurm: the ledger's rows are sacct's.

What ``sacct -D -P`` prints, read here by the plainest means, is compared with what the ledger keeps, row by
row and in sums: jobs of several steps, an array, a heterogeneous job, requeues, a preemption, a time limit,
cancellations, a failure, a change of size, and one that runs. Energy cannot be had without hardware for it
(AcctGatherEnergyType), so it is put into slurmdbd's own tables, where sacct reads it; and so are the rows
that need years or a broken slurmctld: a job whose end slurmdbd never heard of, a job id used again, a user
whom nobody knows.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch, to_epoch
from carbonslurm.ledger.reading import Reading
from carbonslurm.ports import RunFilter
from carbonslurm.sandbox.grid import publish
from carbonslurm.sandbox.jobs import submit, wait_for_state
from carbonslurm.sandbox.layout import Layout
from carbonslurm.sandbox.machine import Machine
from carbonslurm.sandbox.waiting import wait_until
from carbonslurm.sandbox.watching import now_s

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from carbonslurm.core.job import AccountedRun
    from carbonslurm.ports import AsideRow, RunRow
    from carbonslurm.sandbox.cluster import Sandbox
    from carbonslurm.sandbox.stage import Stage

PATIENCE_S = 90
LEVEL = 400.0
SENTINEL = 2**64 - 2
UNTIL_TOLD = "until [ -e {flag} ]; do sleep 0.2; done"
FIRST_TIME_LONG = 'if [ "${SLURM_RESTART_COUNT:-0}" = 0 ]; then sleep 300; fi; sleep 1'
STEPS = "srun --overlap -n1 sleep 1; srun --overlap -n1 sleep 1"
SIDE_BY_SIDE = "srun --overlap -n1 sleep 2 & srun --overlap -n1 sleep 2 & wait"
ELSEWHERE = "--exclude=n3,n4"  # whole nodes are taken there
HET = f"""#!/bin/sh
#SBATCH -n1 --time=2 --output=/dev/null {ELSEWHERE}
#SBATCH hetjob
#SBATCH -n2 {ELSEWHERE}
sleep 1
"""
WHOLE_NODE = ("--nodelist=n3", "--ntasks=1", "--exclusive", "--gres=gpu:4")
RUNAWAY, UNKNOWN_USER, YEARS = 900_001, 900_002, 400 * 86_400
COLUMNS = (
    "JobIDRaw,JobID,Submit,Eligible,Start,End,ElapsedRaw,State,ExitCode,User,UID,Account,Partition,QOS,"
    "AllocTRES,ConsumedEnergyRaw"
)


@dataclass(frozen=True)
class Accounts:
    """Slurm's own accounting: what sacct prints, and the database behind it."""

    sandbox: Sandbox

    def rows(self, *words: str) -> list[dict[str, str]]:
        """Return what sacct prints of everything, steps too: a row a line, fields cut at the bar."""
        window = [f"--starttime=uts{to_epoch(now_s()) - 7 * 86_400}", "--endtime=now+31days"]
        argv = ["sacct", "-D", "-P", "-n", "-a", *window, f"--format={COLUMNS}", *words]
        printed = self.sandbox.run(argv, env={"SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}).stdout
        return [dict(zip(COLUMNS.split(","), line.split("|"), strict=True)) for line in printed.splitlines()]

    def of(self, job: str) -> list[dict[str, str]]:
        return [row for row in self.rows() if row["JobID"].split(".")[0] == job]

    def sql(self, statement: str, **values: object) -> None:
        """Change slurmdbd's tables behind its back; ``{job}`` and ``{step}`` are those of this cluster."""
        layout = Layout(self.sandbox.directory)
        tables = {name: f"`{self.sandbox.cluster}_{name}_table`" for name in ("job", "step")}
        words = ["--no-defaults", f"--socket={layout.database_socket}", "slurm_acct_db", "-e"]
        argv = Machine(layout, self.sandbox.root).argv(
            "mariadb", *words, statement.format(**tables, **values)
        )
        self.sandbox.run(argv)

    def give_steps(self, job: str, joules: Mapping[int, int]) -> None:
        """Give a job's steps energies, by Slurm's numbers: -5 is the batch step."""
        for step, count in joules.items():
            self.sql(
                "UPDATE {step} SET consumed_energy={count} WHERE id_step={number} AND job_db_inx IN "
                "(SELECT job_db_inx FROM {job} WHERE id_job={id})",
                count=count,
                number=step,
                id=job,
            )

    def give_job(self, job: str, joules: int) -> None:
        """Give a job's own row an energy: it is TRES 3 of what it was allocated, where a sentinel stands."""
        self.sql(
            "UPDATE {job} SET tres_alloc=REGEXP_REPLACE(tres_alloc, ',3=[0-9]+', ',3={joules}') "
            "WHERE id_job={id}",
            joules=joules,
            id=job,
        )

    def copy(self, job: str, **changes: int) -> None:
        """Add a row like a job's, but for some of its columns."""
        given = ", ".join(f"{name}={value}" for name, value in {"job_db_inx": 0, **changes}.items())
        self.sql(
            "CREATE TEMPORARY TABLE one AS SELECT * FROM {job} WHERE id_job={id} LIMIT 1; "
            "UPDATE one SET {given}; INSERT INTO {job} SELECT * FROM one",
            id=job,
            given=given,
        )

    def forget(self, *jobs: object, before: int) -> None:
        """Take copies away again: those of made-up numbers, and those that were submitted before a moment."""
        numbers = ",".join(map(str, jobs))
        self.sql("DELETE FROM {job} WHERE id_job IN ({ids}) AND time_submit<{at}", ids=numbers, at=before)


@dataclass
class Told:
    """The performance: jobs by name, and what the ledger kept at three moments."""

    stage: Stage
    jobs: dict[str, str] = field(default_factory=dict)
    running: list[RunRow] = field(default_factory=list)
    kept: list[RunRow] = field(default_factory=list)
    aside: Sequence[AsideRow] = ()
    aside_now: Sequence[AsideRow] = ()
    printed: list[dict[str, str]] = field(default_factory=list)
    by: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    again: list[RunRow] = field(default_factory=list)
    listed: str = ""
    after: list[RunRow] = field(default_factory=list)
    still_aside: Sequence[AsideRow] = ()

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.stage.sandbox)

    def submit(self, name: str, wrap: str, *words: str) -> str:
        common = ("--time=2", "--output=/dev/null")
        where = () if any(word.startswith("--nodelist") for word in words) else (ELSEWHERE,)
        script = f"--wrap={wrap}"
        self.jobs[name] = submit(self.stage.sandbox, *common, *where, *words, script, user=self.stage.user)
        return self.jobs[name]

    def flag(self, name: str) -> Path:
        return self.stage.sandbox.work / f"go-{name}"

    def control(self, *words: str, admin: bool = False) -> None:
        self.stage.sandbox.run(["scontrol", *words], user=None if admin else self.stage.user)

    def cancel(self, name: str) -> None:
        self.stage.sandbox.run(["scancel", self.jobs[name]], user=self.stage.user)

    def wait(self, name: str, *states: str) -> dict[str, str]:
        return wait_for_state(self.stage.sandbox, self.jobs[name], *states, timeout=PATIENCE_S)

    def read(self) -> list[RunRow]:
        """Have the daemon read sacct once; return all runs that the ledger has."""
        self.stage.command("carbonslurmd", "once")
        with Reading.open(wiring.place(self.stage.config)) as reading:
            self.aside_now = reading.aside()
            return list(reading.runs(RunFilter()))

    def runs_of(self, name: str) -> list[AccountedRun]:
        job = self.jobs[name]
        return [row.run for row in self.kept if job in {row.run.shown_id, str(row.run.array_job_id)}]

    def states(self, name: str) -> list[str]:
        return [run.state for run in self.runs_of(name)]


def _submit_all(told: Told) -> None:
    told.submit("requeued", FIRST_TIME_LONG)
    told.submit("preempted", FIRST_TIME_LONG, "--partition=low", "--nodelist=n4", "--exclusive")
    told.submit("timed out", "sleep 300", "--time=1")
    told.submit("resized", UNTIL_TOLD.format(flag=told.flag("resized")), "--nodes=2")
    told.submit("runs", UNTIL_TOLD.format(flag=told.flag("runs")))
    told.submit("suspended", UNTIL_TOLD.format(flag=told.flag("suspended")))
    told.submit("cancelled", "sleep 300")
    told.submit("failed", "exit 3")
    told.submit("array", "sleep 1", "--array=1-3")
    told.submit("steps", STEPS, *WHOLE_NODE)
    told.submit("side by side", SIDE_BY_SIDE, *WHOLE_NODE)
    told.submit("cancelled before", "true", *WHOLE_NODE)  # behind those two
    told.cancel("cancelled before")
    done = told.stage.sandbox.run(["sbatch", "--parsable"], user=told.stage.user, input=HET)
    told.jobs["het"] = done.stdout.strip()


def _meddle(told: Told) -> None:
    """Do what owners, admins and Slurm do to running jobs."""
    told.wait("preempted", "RUNNING")
    told.submit("preempts", "sleep 1", "--nodelist=n4", "--exclusive")
    told.wait("timed out", "RUNNING")
    told.control("update", f"JobId={told.jobs['timed out']}", "EndTime=now+1", admin=True)
    told.wait("requeued", "RUNNING")
    told.control("requeue", told.jobs["requeued"])
    told.wait("resized", "RUNNING")
    told.control("update", f"JobId={told.jobs['resized']}", "NumNodes=1")
    told.wait("suspended", "RUNNING")
    told.control("suspend", told.jobs["suspended"], admin=True)
    told.wait("cancelled", "RUNNING")
    told.cancel("cancelled")
    told.wait("runs", "RUNNING")
    wait_until(lambda: len(told.accounts.of(told.jobs["runs"])) > 1, PATIENCE_S, "sacct to know it")


def _let_end(told: Told) -> None:
    seen = wiring.now()  # Slurm counts whole seconds: of less it says nothing
    wait_until(lambda: wiring.now() - seen > timedelta(seconds=2), PATIENCE_S, "two seconds of suspension")
    told.control("resume", told.jobs["suspended"], admin=True)
    for name in ("runs", "resized", "suspended"):
        told.flag(name).touch()
    ends = {"timed out": "TIMEOUT", "cancelled": "CANCELLED", "failed": "FAILED"}
    for name in set(told.jobs) - {"cancelled before", "array", "het"}:
        told.wait(name, ends.get(name, "COMPLETED"))
    queue = ["squeue", "--noheader", f"--user={told.stage.user or told.stage.sandbox.owner}"]
    wait_until(lambda: not told.stage.sandbox.run(queue).stdout.strip(), PATIENCE_S, "an empty queue")

    def told_to_slurmdbd() -> bool:
        rows = told.accounts.rows()
        return all(row["State"].split(" ")[0] not in {"RUNNING", "PENDING", "COMPLETING"} for row in rows)

    wait_until(told_to_slurmdbd, PATIENCE_S, "slurmdbd to hear of every end")


def _put_into_slurmdbd(told: Told) -> None:
    accounts = told.accounts
    (steps,) = [row for row in accounts.of(told.jobs["steps"]) if "." not in row["JobID"]]
    kilowatt = 1000 * int(steps["ElapsedRaw"])
    accounts.give_steps(told.jobs["steps"], {-5: kilowatt // 3, 0: kilowatt // 2, 1: kilowatt // 2})
    accounts.give_steps(told.jobs["side by side"], {-5: 5000, 0: 6000, 1: 7000})
    accounts.give_steps(told.jobs["preempts"], {-5: SENTINEL})
    accounts.give_job(told.jobs["cancelled"], 4321)
    accounts.give_job(
        told.jobs["steps"], 4 * kilowatt // 3
    )  # slurmctld adds up all steps, the batch step, too
    accounts.give_job(told.jobs["side by side"], 18_000)
    now = to_epoch(now_s())
    long_ago = {"time_submit": now - YEARS, "time_eligible": now - YEARS, "time_start": now - YEARS}
    accounts.copy(told.jobs["failed"], id_job=RUNAWAY, time_end=0, state=1, **long_ago)
    before = {"time_submit": now - 9000, "time_eligible": now - 9000, "time_start": now - 8000}
    accounts.copy(told.jobs["failed"], time_end=now - 7000, state=3, exit_code=0, **before)
    accounts.copy(told.jobs["failed"], id_job=UNKNOWN_USER, id_assoc=0, id_user=65_533, id_group=65_533)


@pytest.fixture(scope="module")
def told(lasting_stage: Stage) -> Iterator[Told]:
    stage = lasting_stage
    slurm = {
        "conf": str(stage.sandbox.slurm_conf),
        "path": str(stage.sandbox.bin),
        "account": stage.sandbox.operator,
        "steps": True,
    }
    stage.changes = {**stage.changes, "slurm": slurm, "energy": {"slurm": "nodes"}}
    stage.write_site()
    start = now_s() - timedelta(hours=6)
    publish(stage.sandbox.directory / "grid.csv", start, [(0, LEVEL)], until=timedelta(days=1))
    found = Told(stage)
    _submit_all(found)
    _meddle(found)
    found.running = found.read()
    _let_end(found)
    _put_into_slurmdbd(found)
    found.kept, found.aside = found.read(), found.aside_now
    found.printed = found.accounts.rows()
    for by in ("user", "account", "partition", "qos", "month"):
        totals = json.loads(
            stage.command("carbon-sacct", "-a", "-S", "now-7days", "--by", by, "--json").stdout
        )
        found.by[by] = {str(group[by]): group for group in totals["groups"]}
    found.again = found.read()
    found.listed = stage.command("carbonslurm", "ledger", "aside").stdout
    stage.sandbox.run(["sacctmgr", "show", "runawayjobs"], input="y\n")
    found.after = found.read()
    found.still_aside = found.aside_now
    yield found
    found.accounts.forget(RUNAWAY, UNKNOWN_USER, found.jobs["failed"], before=to_epoch(start))


def test_each_row_of_sacct_is_a_run_a_step_or_set_aside(told: Told) -> None:
    """No row is missing, none is there twice, and each run says what its row says."""
    runs = {(run.key.job_id, to_epoch(run.key.submitted)): run for run in (row.run for row in told.kept)}
    assert len(runs) == len(told.kept)
    aside = {(item.item.job, item.item.submitted) for item in told.aside}
    became: Counter[str] = Counter()
    for row in told.printed:
        if "." in row["JobIDRaw"]:
            became["step"] += 1
            continue
        run = runs.get((int(row["JobIDRaw"]), int(row["Submit"])))
        if run is None:
            assert (row["JobIDRaw"], from_epoch(int(row["Submit"]))) in aside
            became["aside"] += 1
            continue
        became["run"] += 1
        assert _words_of(run) == _words(row)
    assert became["run"] == len(runs)
    assert became["aside"] == len(aside) == 1
    assert became["run"] + became["step"] + became["aside"] == len(told.printed)


def _words(row: Mapping[str, str]) -> tuple[object, ...]:
    """What a row says, without any reading of ours.

    One cancelled while it waited held nothing, and shows its end as its start; a resized job shows its first
    start in each of its rows.
    """
    tres = dict(item.split("=") for item in row["AllocTRES"].split(",") if item)
    start = _start(row)
    times = [start, int(row["End"]) if row["End"].isdigit() else None]
    held = (
        int(tres.get("cpu", 0)), int(tres.get("node", 0)), int(tres.get("gres/gpu", 0))
    ) if start else None  # fmt: skip
    state = row["State"].split(" ")[0]
    owner = row["User"] or row["UID"]
    return (*times, state, row["ExitCode"], owner, row["Account"], row["Partition"], row["QOS"], held)


def _start(row: Mapping[str, str]) -> int | None:
    held = row["Start"].isdigit() and row["AllocTRES"]
    return max(int(row["Start"]), int(row["Submit"])) if held else None


def _words_of(run: AccountedRun) -> tuple[object, ...]:
    times = [None if it is None else to_epoch(it) for it in (run.started, run.ended)]
    held = (run.tres.cpus, run.tres.nodes, run.tres.gpu_count) if run.started else None
    return (*times, run.state, run.exit_code, run.user, run.account, run.partition, run.qos, held)


def test_every_attempt_of_each_kind_of_job_is_there(told: Told) -> None:
    assert told.states("requeued") == ["REQUEUED", "COMPLETED"]
    assert told.states("preempted") in (["PREEMPTED", "COMPLETED"], ["REQUEUED", "COMPLETED"])
    assert told.states("timed out") == ["TIMEOUT"]
    assert told.states("cancelled") == ["CANCELLED"]
    assert told.states("resized") == ["RESIZING", "COMPLETED"]
    two, one = told.runs_of("resized")
    assert (two.tres.nodes, one.tres.nodes) == (2, 1)
    assert two.ended == one.started
    assert sorted(run.shown_id for run in told.runs_of("array")) == [
        f"{told.jobs['array']}_{task}" for task in (1, 2, 3)
    ]
    assert told.states("suspended") == ["COMPLETED"]
    (before,) = told.runs_of("cancelled before")
    assert (before.state, before.started) == ("CANCELLED", None)
    first = int(told.jobs["het"])
    assert {run.key.job_id for run in (row.run for row in told.kept)} >= {first, first + 1}


def test_a_job_id_that_slurm_used_again_is_two_runs(told: Told) -> None:
    assert told.states("failed") == ["COMPLETED", "FAILED"]


def test_one_that_ran_was_there_so_far_and_has_its_end_now(told: Told) -> None:
    job = told.jobs["runs"]
    (so_far,) = [row.run for row in told.running if row.run.shown_id == job]
    (ended,) = told.runs_of("runs")
    assert (so_far.state, so_far.ended, so_far.started) == ("RUNNING", None, ended.started)
    assert (ended.state, ended.ended is None) == ("COMPLETED", False)


def test_the_time_in_which_one_was_suspended_is_what_elapsed_lacks(told: Told) -> None:
    (run,) = told.runs_of("suspended")
    assert run.started is not None
    assert run.ended is not None
    (row,) = [row for row in told.printed if row["JobIDRaw"] == told.jobs["suspended"]]
    ran = int(row["ElapsedRaw"])
    assert run.suspended >= timedelta(seconds=1)
    assert (run.ended - run.started - run.suspended).total_seconds() == ran
    (figure,) = [row.figure for row in told.kept if row.run.key == run.key]
    assert figure is not None
    watts = 1.3 * (run.tres.cpus * 5 * 0.5 + 200 * run.tres.cpus / 16)
    assert figure.energy_kwh == pytest.approx(watts * ran / 3.6e6)


def test_a_user_whom_nobody_knows_is_his_number(told: Told) -> None:
    (run,) = [row.run for row in told.kept if row.run.key.job_id == UNKNOWN_USER]
    assert run.user == "65533"


def test_a_runaway_job_is_set_aside_and_in_no_sum(told: Told) -> None:
    (item,) = told.aside
    assert (item.item.job, "runaway" in item.item.reason) == (str(RUNAWAY), True)
    assert str(RUNAWAY) in told.listed


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("side by side", None),  # two steps at once on one node: its meter would count twice
        ("preempts", None),  # a sentinel
        ("failed", None),  # likewise, as slurmctld writes it where nothing was measured
        ("cancelled", 4321),
        ("array", None),
    ],
)
def test_energy_is_what_slurm_says_where_that_can_be_one_job_s(
    told: Told, name: str, expected: float | None
) -> None:
    assert {run.energy_joules for run in told.runs_of(name)} == {expected}


def test_energy_of_steps_one_after_another_is_their_sum_and_makes_the_figure(told: Told) -> None:
    (run,) = told.runs_of("steps")
    assert run.started is not None
    assert run.ended is not None
    watts_ms = 1000 * int((run.ended - run.started).total_seconds())
    assert run.energy_joules == 2 * (watts_ms // 2)
    (figure,) = [row.figure for row in told.kept if row.run.key == run.key]
    assert figure is not None
    assert (figure.energy_method, str(figure.quality)) == ("slurm", "measured")
    assert figure.energy_kwh == pytest.approx(1.3 * run.energy_joules / 3.6e6)
    assert figure.emitted_g == pytest.approx(figure.energy_kwh * LEVEL)


@pytest.mark.parametrize("by", ["user", "account", "partition", "qos", "month"])
def test_sums_by_any_grouping_are_those_of_sacct_s_rows(told: Told, by: str) -> None:
    """Runs and GPU hours of each group, from the printed rows; grams, from the runs' figures."""
    counts: Counter[str] = Counter()
    hours: defaultdict[str, float] = defaultdict(float)
    for row in told.printed:
        start = _start(row)
        if "." in row["JobIDRaw"] or row["JobIDRaw"] == str(RUNAWAY) or start is None:
            continue
        group = _group(by, row)
        counts[group] += 1
        tres = dict(item.split("=") for item in row["AllocTRES"].split(",") if item)
        hours[group] += int(tres.get("gres/gpu", 0)) * (int(row["End"]) - start) / 3600
    sums = told.by[by]
    assert {name: group["runs"] for name, group in sums.items()} == counts
    assert {name: group["gpu_hours"] for name, group in sums.items()} == pytest.approx(dict(hours))
    figures = [row.figure for row in told.kept if row.figure is not None and row.figure.emitted_g is not None]
    total = sum(group["emitted_g"] or 0.0 for group in sums.values())
    assert total == pytest.approx(sum(figure.emitted_g or 0.0 for figure in figures))


def _group(by: str, row: Mapping[str, str]) -> str:
    names = {"user": row["User"] or row["UID"], "account": row["Account"], "partition": row["Partition"]}
    names["qos"] = row["QOS"]
    names["month"] = from_epoch(int(row["Start"])).astimezone().strftime("%Y-%m")
    return names[by]


def test_reading_all_of_it_again_changes_nothing(told: Told) -> None:
    assert told.again == told.kept


def test_a_runaway_job_that_was_mended_in_slurm_leaves_the_list_however_long_ago_it_was(told: Told) -> None:
    """Slurm gives it an end at its start, years before any window that is read."""
    assert list(told.still_aside) == []
    (run,) = [row.run for row in told.after if row.run.key.job_id == RUNAWAY]
    assert (run.state, run.ended) == ("COMPLETED", run.started)
