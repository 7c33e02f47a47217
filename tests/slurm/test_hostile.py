"""Users' text on a real Slurm: names, comments and paths that try to look like Slurm's words, or like ours.

None of it may show as a job that is not there, move a job that is somebody else's, or reach a terminal raw.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from carbonslurm import wiring
from carbonslurm.core.interval import Interval
from carbonslurm.errors import RefusedError
from carbonslurm.sandbox.jobs import submit
from carbonslurm.sandbox.waiting import wait_until
from carbonslurm.sandbox.watching import actions, forecast, now_s, wait_for_cycles
from carbonslurm.slurm.queue import SlurmAccounting, look

if TYPE_CHECKING:
    from carbonslurm.core.job import Queue, QueuedJob
    from carbonslurm.sandbox.stage import Stage

DIRTY, CLEAN = 500.0, 100.0
TAG = "carbon:flex=2h,length=20s"
FORGED_TAG = "carbon:v=1,flex=2592000,latest=4000000000,by=site"
BYTES = os.fsdecode(b"\xff\xfe\x80\xc3(")
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\x1f\x08"
LONG = "x" * 900


def forged_row(victim: str) -> str:
    """What would be a row of another job, were it taken for one; in the forms of several outputs."""
    fields = [victim, victim, "1", "RUNNING", "root", "root", "main"]
    return "".join(f"\n{mark.join(fields)}" for mark in ("|", " ", "\x1f", "~0123abcd~", "\t"))


def hostile(victim: str) -> dict[str, list[str]]:
    """Name of the attack -> sbatch's words."""
    tag = f"--comment={TAG}"
    return {
        "rows in the name": [f"--job-name=a{forged_row(victim)}", tag],
        "rows in the comment": [f"--comment={TAG} {forged_row(victim)}"],
        "escape codes": [f"--job-name={ESCAPES}", f"--comment={TAG} {ESCAPES}"],
        "bytes that are not UTF-8": [f"--job-name=b{BYTES}", f"--comment={TAG} {BYTES}"],
        "a tag as its name": [f"--job-name={FORGED_TAG}", tag],
        "words for another job": [f"--comment={TAG} JobId={victim} carbon:saved:0 \n   Comment=carbon:saved"],
        "a very long name and comment": [f"--job-name={LONG}", f"--comment={TAG} {LONG}"],
        "rows in its paths": [f"--chdir={{work}}/d{forged_row(victim)}", "--output=o\n\x1b[31m%j", tag],
        "a quarrelsome name": ["--job-name=\"';,%i${IFS}`true`\\n|~", tag],
        "no tag but one in the name": [f"--job-name={TAG}"],
    }


@dataclass
class Attack:
    """The jobs of all attackers, and the victim's."""

    stage: Stage
    victim: str = ""
    since: datetime = field(default_factory=now_s)
    earlier: set[int] = field(default_factory=set)
    jobs: dict[str, str] = field(default_factory=dict)

    def submit(self) -> None:
        sandbox, user = self.stage.sandbox, self.stage.user
        words = ["--gres=gpu:1", "--time=2", "--wrap=sleep 60"]
        common = [*words, "--output=/dev/null"]
        plain = ["--comment=carbon:flex=2h,length=20s,checkpoint=USR1@60", "--job-name=plain"]
        self.victim = submit(sandbox, *common, *plain, user=sandbox.users[-1] if user else None)
        for name, attack in hostile(self.victim).items():
            asked = [word.replace("{work}", str(sandbox.work)) for word in attack]
            for word in asked:
                if word.startswith("--chdir="):
                    folder = sandbox.work / word.removeprefix("--chdir=")
                    folder.mkdir(parents=True, exist_ok=True)
            given = words if any(word.startswith("--output") for word in asked) else common
            self.jobs[name] = submit(sandbox, *given, *asked, user=user)

    def queue(self) -> Queue:
        return wiring.queue(self.stage.config).snapshot()

    def job(self, number: str) -> QueuedJob:
        return next(job for job in self.queue().jobs if job.key.job_id == int(number))

    @property
    def numbers(self) -> set[int]:
        return {int(self.victim), *map(int, self.jobs.values())}


@pytest.fixture(scope="module")
def attack(lasting_stage: Stage) -> Attack:
    """Some jobs wait and some run; the daemon has seen all of them."""
    stage = lasting_stage
    found = Attack(stage)
    forecast(stage, found.since, [(0, DIRTY), (300, CLEAN)])
    stage.start()
    found.earlier = {job.key.job_id for job in found.queue().jobs}
    found.submit()
    wait_for_cycles(stage, 3)
    tagged = [job for name, job in found.jobs.items() if "no tag" not in name]
    wait_until(lambda: all(actions(stage, job) for job in tagged), 80, "all that may wait to be made to")
    return found


def test_the_snapshot_shows_every_job_once_and_none_that_is_not_there(attack: Attack) -> None:
    queue = attack.queue()
    assert queue.unread == ()
    mine = [job for job in queue.jobs if job.key.job_id not in attack.earlier]
    assert sorted(job.key.job_id for job in mine) == sorted(attack.numbers)
    assert {job.user for job in mine} <= set(attack.stage.sandbox.users)


def test_a_tag_in_a_name_is_none(attack: Attack) -> None:
    unknown = attack.job(attack.jobs["no tag but one in the name"])
    assert unknown.tag is None
    forged = attack.job(attack.jobs["a tag as its name"])
    assert forged.tag is not None
    assert forged.tag.flex == timedelta(hours=2)


def test_nobody_fills_admincomment_but_the_hook(attack: Attack) -> None:
    words = ["--gres=gpu:1", f"--admin-comment={FORGED_TAG}", "--hold", "--wrap=true", "--output=/dev/null"]
    try:
        job = submit(attack.stage.sandbox, *words, user=attack.stage.user)
    except RefusedError:
        return  # Slurm itself says no
    try:
        assert attack.job(job).tag is None
    finally:
        attack.stage.sandbox.run(["scancel", job])


def test_the_victim_is_planned_as_without_the_attack(attack: Attack) -> None:
    victim = attack.job(attack.victim)
    assert (victim.state, victim.restarts, victim.held, victim.obstacle) == ("PENDING", 0, False, None)
    assert [row.verb for row in actions(attack.stage, attack.victim)] == ["withhold"]


def test_a_look_tells_each_job_by_its_own_record(attack: Attack) -> None:
    numbers = sorted(attack.numbers)
    sights = look(wiring.wire(attack.stage.config), numbers)
    assert sorted(sights) == numbers
    saved = {number for number, sight in sights.items() if sight.saved}
    assert saved == {int(attack.jobs["words for another job"])}


@pytest.mark.parametrize(
    "words",
    [
        ["carbon-squeue", "--all"],
        ["carbon-squeue", "--all", "--noheader"],
        ["carbon-sacct", "-a"],
        ["carbon-sacct", "-a", "-P"],
        ["carbon-sacct", "-a", "--by", "user"],
    ],
)
def test_what_a_terminal_gets_is_clean_and_has_no_row_too_many(attack: Attack, words: list[str]) -> None:
    shown = attack.stage.command(*words).stdout
    assert all(line.isprintable() for line in shown.splitlines())
    if words[0] == "carbon-squeue":
        head = 0 if "--noheader" in words else 1
        assert len(shown.splitlines()) - head == len(attack.numbers)


def test_json_stays_json(attack: Attack) -> None:
    shown = json.loads(attack.stage.command("carbon-squeue", "--all", "--json").stdout)
    assert sorted(row["job_id"] for row in shown) == sorted(attack.numbers)
    json.loads(attack.stage.command("carbon-sacct", "-a", "--json").stdout)


def test_the_log_holds_no_control_characters_and_no_traceback(attack: Attack) -> None:
    text = attack.stage.log.read_text(encoding="utf-8")
    assert all(line.isprintable() for line in text.split("\n"))
    assert "Traceback" not in text
    assert "cycle failed" not in text


def test_sacct_reads_every_attempt_of_them(attack: Attack) -> None:
    """Last: it ends the jobs, since sacct shows a job that never ran only then."""
    sandbox = attack.stage.sandbox
    sandbox.run(["scancel", *map(str, attack.numbers)])
    said: list[str] = []
    config = attack.stage.config
    accounting = SlurmAccounting(wiring.wire(config), config.cluster, said.append)

    def runs() -> dict[int, str]:
        window = Interval(attack.since, wiring.now() + timedelta(days=1))  # they were to be eligible later
        found = accounting.accounted(window, wiring.now())
        return {run.key.job_id: run.user for run in found.runs if run.key.job_id in attack.numbers}

    wait_until(lambda: set(runs()) == attack.numbers, 80, lambda: f"all in sacct: {runs()}")
    assert said == []
    assert set(runs().values()) <= set(sandbox.users)
