"""Every kind of pending job side by side on a real Slurm: what we do with each, as docs/jobs.md says.

The grid is dirty, clean for a while, dirty again, and clean long after all tests. One daemon lives through
all of it.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from carbonslurm.core.interval import from_epoch
from carbonslurm.errors import RefusedError
from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.waiting import wait_until
from carbonslurm.sandbox.watching import (
    actions,
    begin,
    forecast,
    known,
    now_s,
    wait_for_begin,
    wait_for_cycles,
)

if TYPE_CHECKING:
    from carbonslurm.sandbox.stage import Stage

DIRTY, CLEAN = 500.0, 100.0
# Seconds from the beginning. On a busy machine it takes 40 s to submit all jobs and to see them wait: what
# owners do then must still be done before the clean time.
CLEAN_AFTER, DIRTY_AFTER, CLEAN_LATE = 90, 108, 450
TAG = "--comment=carbon:flex=2h,length=3s"
SLEEP = "--wrap=sleep 3"
PROMPT = timedelta(seconds=30)  # on a machine that runs three Slurms and all other tests beside it
RESERVATION = "kinds"
CRONTAB = "#SCRON --comment=carbon:flex=2h --gres=gpu:1 --output=/dev/null\n* * * * * /bin/true\n"

PLAIN = {  # name -> sbatch's words; each of these waits for the clean hour, and nothing else about it changes
    "ordinary": [],
    "in several partitions": ["--partition=main,low"],
    "nice": ["--nice=50"],
    "with a fixed priority": [],
    "with a licence of its own": ["--licenses=app:1"],
    "without a limit": ["--partition=low", "--time=UNLIMITED"],
    "that may not be requeued": ["--no-requeue"],
}
KEPT = ("Partition", "Nice", "Licenses", "TimeLimit", "Requeue", "Account", "QOS", "Dependency", "Deadline")


@dataclass
class Kinds:
    """The performance: each job by its name, and what Slurm showed of it."""

    stage: Stage
    start: datetime
    jobs: dict[str, str] = field(default_factory=dict)
    submitted: dict[str, dict[str, str]] = field(default_factory=dict)
    waiting: dict[str, dict[str, str]] = field(default_factory=dict)
    ended: dict[str, dict[str, str]] = field(default_factory=dict)
    released: datetime = field(default_factory=now_s)
    array_while_waiting: dict[str, str] = field(default_factory=dict)
    array_in_full: str = ""

    @property
    def clean(self) -> datetime:
        return self.start + timedelta(seconds=CLEAN_AFTER)

    @property
    def clean_late(self) -> datetime:
        return self.start + timedelta(seconds=CLEAN_LATE)

    def submit(self, name: str, *words: str, wrap: str = SLEEP) -> str:
        common = ["--gres=gpu:1", "--time=2", "--output=/dev/null", TAG]
        self.jobs[name] = submit(self.stage.sandbox, *common, *words, wrap, user=self.stage.user)
        self.submitted[name] = self.show(name)
        return self.jobs[name]

    def plain(self, *words: str, seconds: int) -> str:
        wrap = f"--wrap=sleep {seconds}"
        return submit(
            self.stage.sandbox, "--time=2", "--output=/dev/null", *words, wrap, user=self.stage.user
        )

    def control(self, *words: str, admin: bool = False) -> None:
        self.stage.sandbox.run(["scontrol", *words], user=None if admin else self.stage.user)

    def show(self, name: str) -> dict[str, str]:
        return fields(self.stage.sandbox, self.jobs[name])

    def tasks(self, name: str) -> dict[str, str]:
        argv = ["squeue", "--noheader", "--array", f"--jobs={self.jobs[name]}", "--format=%i %T"]
        return dict(line.split() for line in self.stage.sandbox.run(argv).stdout.splitlines())

    def in_full(self, name: str) -> str:
        """All that a snapshot is about, and what the daemon said, for whoever looks at a failure."""
        job = self.jobs[name]
        form = "JobID:12,ArrayTaskID:8,State:12,SubmitTime:22,EligibleTime:22,StartTime:22,RestartCnt"
        shown = self.stage.sandbox.run(["squeue", "--array", f"--jobs={job}", f"--Format={form}"]).stdout
        said = [
            line for line in self.stage.log.read_text().splitlines() if f" {job}_" in line or "cycle" in line
        ]
        return "\n".join([shown, *said, f"known: {known(self.stage, job)}"])

    def started(self, name: str) -> datetime:
        return from_epoch(int(self.ended[name]["StartTime"]))

    def verbs(self, name: str) -> list[str]:
        return [row.verb for row in actions(self.stage, self.jobs[name])]


def _submit_all(kinds: Kinds) -> None:
    for name, words in PLAIN.items():
        kinds.submit(name, *words)
    kinds.control("update", f"JobId={kinds.jobs['with a fixed priority']}", "Priority=777777", admin=True)
    kinds.submit("of a partition that the site excludes", "--partition=debug")
    kinds.submit("held by its owner", "--hold")
    kinds.submit("held by its owner later")
    kinds.submit("held by an admin later")
    kinds.submit("moved into a reservation", "--hold")
    kinds.submit("with a deadline", "--time=1", f"--deadline=now+{60 + CLEAN_AFTER - 10}")
    # The task that its owner starts runs for long enough to be seen by a cycle on a busy machine, too.
    wrap = "--wrap=if [ $SLURM_ARRAY_TASK_ID = 2 ]; then sleep 15; else sleep 3; fi"
    kinds.submit("an array", "--array=1-4%3", wrap=wrap)
    kinds.submit("needed by one with a deadline", "--time=1")
    needed = f"--dependency=afterok:{kinds.jobs['needed by one with a deadline']}"
    kinds.jobs["the one with a deadline"] = kinds.plain(needed, "--time=1", "--deadline=now+260", seconds=1)
    _submit_dependents(kinds)


def _submit_dependents(kinds: Kinds) -> None:
    first = kinds.plain(seconds=15)
    for kind in ("afterok", "afterany"):
        kinds.submit(kind, f"--dependency={kind}:{first}")
    array = kinds.plain("--array=1-2", seconds=15)
    kinds.submit("aftercorr", "--array=1-2", f"--dependency=aftercorr:{array}")
    kinds.plain("--job-name=alone", seconds=15)
    kinds.submit("singleton", "--job-name=alone", "--dependency=singleton")
    long = kinds.plain(seconds=DIRTY_AFTER + 5)
    kinds.submit("whose begin time lapses first", f"--dependency=afterok:{long}")


def _reserve(kinds: Kinds) -> None:
    who = kinds.stage.user or getpass.getuser()
    words = ["create", "reservation", f"ReservationName={RESERVATION}", f"Users={who}", "StartTime=now"]
    kinds.control(*words, "Duration=10", "Nodes=n4", "Flags=IGNORE_JOBS", admin=True)
    job = kinds.jobs["moved into a reservation"]
    kinds.control("update", f"JobId={job}", f"ReservationName={RESERVATION}")
    kinds.control("release", job)


def _others_meanwhile(kinds: Kinds) -> None:
    """What owners and admins do once we have made the jobs wait."""
    for name in ("held by its owner later", "held by an admin later", "an array", "ordinary"):
        wait_for_begin(kinds.stage, kinds.jobs[name], kinds.clean)
    kinds.control("hold", kinds.jobs["held by its owner later"])
    kinds.control("hold", kinds.jobs["held by an admin later"], admin=True)
    kinds.control("update", f"JobId={kinds.jobs['an array']}_2", "StartTime=now")
    assert now_s() < kinds.clean, "this machine is too slow for this story: the clean time has come"
    wait_for_cycles(kinds.stage, 3)
    kinds.waiting = {name: kinds.show(name) for name in kinds.jobs}
    kinds.array_while_waiting = kinds.tasks("an array")
    kinds.array_in_full = kinds.in_full("an array")


@pytest.fixture(scope="module")
def kinds(lasting_stage: Stage) -> Kinds:
    """All jobs have been through the clean time; those that could run have ended."""
    stage = lasting_stage
    stage.changes = {**stage.changes, "flexible": {"exclude": {"partitions": ["debug"]}}}
    stage.write_site()
    found = Kinds(stage, now_s())
    levels = [(0, DIRTY), (CLEAN_AFTER, CLEAN), (DIRTY_AFTER, DIRTY), (CLEAN_LATE, CLEAN)]
    forecast(stage, found.start, levels)
    stage.start()
    try:
        _submit_all(found)
        _reserve(found)
        _others_meanwhile(found)
        last = found.jobs["whose begin time lapses first"]
        wait_until(lambda: begin(stage, last) == found.clean_late, 150, "the last dependent to wait again")
        found.released = now_s()
        for name in ("held by its owner later", "held by an admin later"):
            found.control("release", found.jobs[name], admin=True)
            wait_for_state(stage.sandbox, found.jobs[name], "RUNNING", "COMPLETED", timeout=80)
        found.ended = {name: found.show(name) for name in found.jobs}
    finally:
        stage.sandbox.run(["scancel", f"--reservation={RESERVATION}"], check=False)
        stage.sandbox.run(["scontrol", "delete", f"ReservationName={RESERVATION}"], check=False)
    return found


@pytest.mark.parametrize("name", PLAIN)
def test_a_job_waits_for_the_clean_hour_and_starts_in_it(kinds: Kinds, name: str) -> None:
    assert begin_of(kinds.waiting[name]) == kinds.clean
    assert kinds.clean <= kinds.started(name) <= kinds.clean + PROMPT
    assert kinds.ended[name]["JobState"] in {"RUNNING", "COMPLETED"}
    assert kinds.verbs(name) == ["withhold"]


def begin_of(shown: dict[str, str]) -> datetime:
    return from_epoch(int(shown["EligibleTime"]))


@pytest.mark.parametrize("name", PLAIN)
def test_nothing_else_of_a_job_is_changed(kinds: Kinds, name: str) -> None:
    before, after = kinds.submitted[name], kinds.waiting[name]
    assert {key: after[key] for key in KEPT if key in after} == {
        key: before[key] for key in KEPT if key in before
    }


def test_nice_and_a_fixed_priority_are_as_they_were_when_the_job_has_run(kinds: Kinds) -> None:
    assert kinds.ended["nice"]["Nice"] == "50"
    assert kinds.ended["with a fixed priority"]["Priority"] == "777777"


def test_a_job_that_may_not_be_requeued_stays_so(kinds: Kinds) -> None:
    assert kinds.ended["that may not be requeued"]["Requeue"] == "0"


def test_a_job_that_the_site_excludes_is_no_concern_of_ours(kinds: Kinds) -> None:
    name = "of a partition that the site excludes"
    assert kinds.verbs(name) == []
    assert kinds.started(name) <= kinds.start + timedelta(seconds=CLEAN_AFTER)


def test_a_job_in_a_reservation_is_left_alone(kinds: Kinds) -> None:
    name = "moved into a reservation"
    assert kinds.verbs(name) == []
    assert kinds.ended[name]["Reservation"] == RESERVATION
    assert kinds.started(name) < kinds.clean


@pytest.mark.parametrize(
    ("name", "reason"),
    [("held by its owner later", "JobHeldUser"), ("held by an admin later", "JobHeldAdmin")],
)
def test_a_job_that_somebody_holds_stays_held_until_they_release_it(
    kinds: Kinds, name: str, reason: str
) -> None:
    """And then it is theirs: it starts, dirty hour or not."""
    assert (kinds.waiting[name]["Priority"], kinds.waiting[name]["Reason"]) == ("0", reason)
    assert kinds.started(name) >= kinds.released > kinds.clean
    assert [verb for verb in kinds.verbs(name) if verb != "leave"] == ["withhold"]


def test_a_job_that_was_submitted_held_is_never_touched(kinds: Kinds) -> None:
    held = kinds.ended["held by its owner"]
    assert (held["Priority"], held["Reason"]) == ("0", "JobHeldUser")
    assert kinds.verbs("held by its owner") == []


def test_a_deadline_is_a_bound_and_no_job_ends_in_it(kinds: Kinds) -> None:
    """Bound = deadline - limit - margin, which lies before the clean hour here."""
    name = "with a deadline"
    assert kinds.ended[name]["JobState"] == "COMPLETED"
    assert kinds.started(name) < kinds.clean


def test_a_job_that_one_with_a_deadline_needs_is_bound_by_it(kinds: Kinds) -> None:
    rows = actions(kinds.stage, kinds.jobs["needed by one with a deadline"])
    dependent = kinds.ended["the one with a deadline"]
    latest = from_epoch(int(dependent["Deadline"])) - timedelta(minutes=2, seconds=2)
    assert [row.bound for row in rows] == [latest]
    assert dependent["JobState"] == "COMPLETED"


@pytest.mark.parametrize("name", ["afterok", "afterany", "aftercorr", "singleton"])
def test_a_dependent_job_is_planned_while_it_waits_and_starts_in_the_clean_hour(
    kinds: Kinds, name: str
) -> None:
    assert begin_of(kinds.waiting[name]) == kinds.clean
    assert kinds.clean <= kinds.started(name) <= kinds.clean + PROMPT
    assert set(kinds.verbs(name)) == {"withhold"}  # of aftercorr Slurm makes a record for each task


def test_a_begin_time_that_lapses_before_dependencies_resolve_is_set_anew(kinds: Kinds) -> None:
    """Else the job would start in the dirty hour, in the second in which the other ends."""
    name = "whose begin time lapses first"
    assert begin_of(kinds.waiting[name]) == kinds.clean
    assert (kinds.ended[name]["JobState"], begin_of(kinds.ended[name])) == ("PENDING", kinds.clean_late)
    assert not known(kinds.stage, kinds.jobs[name]).hands_off


def test_a_task_that_its_owner_starts_runs_and_the_rest_of_the_array_waits_in_one_record(
    kinds: Kinds,
) -> None:
    array = kinds.jobs["an array"]
    rows = actions(kinds.stage, array)
    assert {row.spec: row.verb for row in rows} == {f"{array}_[1-4]": "withhold", f"{array}_2": "leave"}, (
        kinds.array_in_full
    )
    waiting = {task for task, state in kinds.array_while_waiting.items() if state == "PENDING"}
    assert waiting == {f"{array}_{task}" for task in (1, 3, 4)}
    assert kinds.clean <= kinds.started("an array") <= kinds.clean + PROMPT + PROMPT


def test_an_interactive_job_never_waits(kinds: Kinds) -> None:
    run = ["srun", "--gres=gpu:1", "--time=1", TAG, "printenv", "SLURM_JOB_ID"]
    job = kinds.stage.sandbox.run(run, user=kinds.stage.user).stdout.strip()
    assert fields(kinds.stage.sandbox, job).get("AdminComment", "") == ""
    assert actions(kinds.stage, job) == []


def test_a_job_of_scrontab_is_left_alone(kinds: Kinds) -> None:
    """Slurm refuses every change of one, even root's; the hook gives it no tag."""
    sandbox, user = kinds.stage.sandbox, kinds.stage.user
    if not (sandbox.bin / "scrontab").exists():
        pytest.skip("this Slurm was built without scrontab")
    sandbox.run(["scrontab", "-"], user=user, input=CRONTAB)
    try:
        argv = ["squeue", "--noheader", "--states=PENDING", "--name=/bin/true", "--format=%i"]
        wait_until(lambda: sandbox.run(argv).stdout, 80, "scrontab's job")
        job = sandbox.run(argv).stdout.strip()
        wait_for_cycles(kinds.stage, 2)
        assert fields(sandbox, job).get("AdminComment", "") == ""
        assert actions(kinds.stage, job) == []
        with pytest.raises(RefusedError):
            kinds.control("update", f"JobId={job}", "StartTime=now+60", admin=True)
    finally:
        sandbox.run(["scrontab", "-r"], user=user)
