"""The process in which pyslurm lives, failing in every way that we can think of; the daemon goes on."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonslurm import wiring
from carbonslurm.errors import UnavailableError
from carbonslurm.formats.squeue import FIELDS
from carbonslurm.ports import Setting
from carbonslurm.sandbox.jobs import submit
from carbonslurm.sandbox.site import config_path
from carbonslurm.sandbox.stage import COMMANDS
from carbonslurm.slurm.begin import BeginActuator
from carbonslurm.slurm.child import Child
from carbonslurm.slurm.libslurm import WORKER, LibraryBegin, LibraryQueue
from carbonslurm.slurm.pyslurm_worker import expanded
from carbonslurm.slurm.queue import SlurmQueue
from carbonslurm.slurm.wire import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from carbonslurm.core.job import QueuedJob
    from carbonslurm.sandbox.stage import Stage

STAND_IN = Path(__file__).with_name("stand_in")
PATIENCE = timedelta(seconds=20)
HELD = ("--hold", "--gres=gpu:1", "--output=/dev/null", "--wrap=true")


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder of packages of one's own, with what stands in for pyslurm."""
    return Path(shutil.copytree(STAND_IN, tmp_path / "packages"))


@pytest.fixture
def child(stage: Stage, packages: Path) -> Iterator[Child]:
    given = wiring.wire(stage.config).environment or {}
    environment = clean_environment(given) | {"PYTHONPATH": str(packages)}
    found = Child([sys.executable, "-m", WORKER], environment, PATIENCE)
    yield found
    found.close()


@pytest.fixture
def queue(stage: Stage, child: Child) -> LibraryQueue:
    commands = SlurmQueue(wiring.wire(stage.config), stage.config.cluster, wiring.now, os.geteuid())
    return LibraryQueue(child, commands)


@pytest.fixture
def fault(packages: Path) -> Callable[[str], None]:
    return lambda word: (packages / "pyslurm" / "fault").write_text(word) and None


@pytest.fixture
def job(stage: Stage) -> int:
    return int(submit(stage.sandbox, "--comment=carbon:flex=1h", *HELD, user=stage.user))


def talking(program: str, timeout: timedelta = PATIENCE) -> closing[Child]:
    """Make a child that runs a program of Python, and end it with the block."""
    return closing(Child([sys.executable, "-c", program], dict(os.environ), timeout))


def ids(queue: LibraryQueue) -> set[int]:
    return {item.key.job_id for item in queue.snapshot().pending()}


# --- the process fails ---


def test_one_that_dies_is_away_with_its_last_words_and_the_next_question_finds_another(
    queue: LibraryQueue, job: int, fault: Callable[[str], None]
) -> None:
    assert ids(queue) == {job}
    fault("die")
    with pytest.raises(UnavailableError) as told:
        queue.snapshot()
    assert str(told.value) == "pyslurm_worker: ended with 1: pyslurm: fatal: [31mauth plugin � failed"
    fault("")
    assert ids(queue) == {job}


def test_one_that_hangs_is_killed_and_the_next_question_finds_another(
    queue: LibraryQueue, child: Child, job: int, fault: Callable[[str], None]
) -> None:
    assert ids(queue) == {job}
    fault("hang")
    child.timeout = timedelta(seconds=1)
    with pytest.raises(UnavailableError, match="pyslurm_worker: no answer in 1 s"):
        queue.snapshot()
    fault("")
    child.timeout = PATIENCE
    assert ids(queue) == {job}


def test_what_pyslurm_prints_is_never_taken_for_an_answer(
    queue: LibraryQueue, job: int, fault: Callable[[str], None]
) -> None:
    fault("chatter")
    assert ids(queue) == {job}


@pytest.mark.parametrize(
    "answer",
    ["rubbish", "[]", '{"number": 2, "value": 7}', '{"number": 1}', '{"value": 7}', '"\\xff"', ""],
)
def test_an_answer_that_is_none_is_no_answer(answer: str) -> None:
    program = f"import sys; sys.stdin.readline(); print({answer!r}, flush=True); sys.stdin.read()"
    with talking(program) as child, pytest.raises(UnavailableError, match="an answer that is none"):
        child.ask({"do": "queue"})


def test_a_program_that_ends_at_once_or_closes_its_output_gives_no_answer() -> None:
    for program in ("", "import sys, os; os.close(1); sys.stdin.read()", "raise SystemExit(3)"):
        with (
            talking(program) as child,
            pytest.raises(UnavailableError, match=r"ended with|closed its output"),
        ):
            child.ask({"do": "queue"})


def test_half_an_answer_is_waited_for_no_longer_than_a_whole_one() -> None:
    program = "import sys; print('{\"number\": 1', end='', flush=True); sys.stdin.read()"
    none = pytest.raises(UnavailableError, match="no answer in 1 s")
    with talking(program, timedelta(seconds=1)) as child, none:
        child.ask({"do": "queue"})


def test_it_is_replaced_after_some_hundred_questions() -> None:
    """What lives in it loses memory."""
    program = (
        "import sys, os, json\n"
        "for line in sys.stdin:\n"
        "    asked = json.loads(line)['number']\n"
        "    print(json.dumps({'number': asked, 'value': os.getpid()}), flush=True)\n"
    )
    with talking(program) as child:
        assert len({child.ask({"do": "queue"}) for _ in range(1001)}) == 3


# --- Slurm fails ---


def test_slurm_being_away_is_said_in_its_own_words(stage: Stage, packages: Path) -> None:
    nowhere = stage.sandbox.slurm_conf.read_text().replace("SlurmctldPort=", "SlurmctldPort=1 #")
    conf = packages / "slurm.conf"
    conf.write_text(nowhere)
    environment = clean_environment(os.environ | {"SLURM_CONF": str(conf)}) | {"PYTHONPATH": str(packages)}
    away = pytest.raises(UnavailableError)
    with closing(Child([sys.executable, "-m", WORKER], environment, PATIENCE)) as child, away:
        child.ask({"do": "queue"})


# --- hostile text ---


def test_user_text_forges_no_job_and_breaks_no_reading(stage: Stage, queue: LibraryQueue, job: int) -> None:
    """A newline, an escape code and bytes that are not UTF-8, in a name and in a comment."""
    nasty = os.fsdecode(b'x\n{"number": 1, "value": []}\n\x1b[31m\xff')
    words = [f"--job-name={nasty}", f"--comment=carbon:flex=1h {nasty}"]
    other = int(submit(stage.sandbox, *words, *HELD, user=stage.user))
    assert ids(queue) == {job, other}
    assert queue.snapshot().unread == ()


def test_a_job_whose_admin_comment_is_not_utf8_is_named_and_the_others_are_read(
    stage: Stage, queue: LibraryQueue, job: int
) -> None:
    other = submit(stage.sandbox, *HELD, user=stage.user)
    stage.sandbox.run(["scontrol", "update", f"JobId={other}", os.fsdecode(b"AdminComment=\xff")])
    shown = queue.snapshot()
    assert [line.partition(":")[0] for line in shown.unread] == [f"job {other}"]
    assert [item.key.job_id for item in shown.pending()] == [job]


# --- the reading ---


def test_both_backends_see_the_same_queue(stage: Stage, queue: LibraryQueue, job: int) -> None:
    for words in (
        ["--array=0-3,7%2"],
        [f"--dependency=afterok:{job}"],
        ["--begin=now+1hour"],
        ["--deadline=now+3hours"],
    ):
        submit(stage.sandbox, "--comment=carbon:flex=1h", "--time=10", *words, *HELD, user=stage.user)
    by_commands = wiring.queue(stage.config).snapshot().pending()
    by_library = queue.snapshot().pending()
    assert sorted(by_library, key=number) == sorted(by_commands, key=number)
    assert len(by_library) == 5


def number(job: QueuedJob) -> int:
    return job.key.job_id


def test_each_field_that_squeue_is_asked_for_is_told(child: Child, job: int) -> None:
    (row,) = (row for row in child.ask({"do": "queue"}) if row["JobID"] == str(job))
    assert set(FIELDS) <= set(row)


@pytest.mark.parametrize(
    ("ranges", "numbers"), [("0-3,7", [0, 1, 2, 3, 7]), ("5", [5]), ("[0-8:4,9]", [0, 4, 8, 9])]
)
def test_a_range_of_tasks_is_expanded(ranges: str, numbers: list[int]) -> None:
    assert list(expanded(ranges)) == numbers


def test_a_range_that_was_cut_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        list(expanded("0-3,7,9,..."))


def test_arrays_and_what_pyslurm_cannot_say_go_through_scontrol(stage: Stage, child: Child) -> None:
    """An array's plain number would touch its running tasks too."""
    array = submit(stage.sandbox, "--array=0-3", *HELD, user=stage.user)
    actuator = LibraryBegin(child, BeginActuator(wiring.wire(stage.config)))
    spec = f"{array}_[0-3]"
    later = Setting(wiring.now() + timedelta(hours=1))
    assert dict(actuator.withhold([spec], later)) == {spec: None}
    single = submit(stage.sandbox, *HELD, user=stage.user)
    assert dict(actuator.withhold([single], replace(later, site_factor=0))) == {single: None}
    assert child._process is None  # noqa: SLF001 - nobody was asked


# --- commands ---


def once(stage: Stage, **env: str) -> tuple[int, str]:
    words = [str(COMMANDS / "carbonslurmd"), "--config", str(config_path(stage.sandbox)), "once"]
    done = stage.sandbox.run(words, check=False, env=env)
    return done.returncode, done.stderr


@pytest.fixture
def by_pyslurm(stage: Stage) -> Stage:
    """A site that asks for the backend pyslurm."""
    slurm = {"conf": str(stage.sandbox.slurm_conf), "path": str(stage.sandbox.bin), "backend": "pyslurm"}
    stage.changes = {**stage.changes, "slurm": slurm}
    stage.write_site()
    return stage


def test_a_site_that_asks_for_pyslurm_and_has_none_hears_it_in_one_line(by_pyslurm: Stage) -> None:
    code, said = once(by_pyslurm)
    assert code == 78
    assert said.splitlines()[-1].startswith("carbonslurmd: slurm.backend: ")
    assert "has no pyslurm" in said
    assert "Traceback" not in said


def test_a_cycle_runs_by_what_stands_in_for_pyslurm(by_pyslurm: Stage, packages: Path, job: int) -> None:
    code, said = once(by_pyslurm, PYTHONPATH=str(packages))
    assert code == 0, said
    assert "cycle: 1 pending (1 flexible)" in said
    assert job
