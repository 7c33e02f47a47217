"""What goes wrong becomes one line, and nothing is half-written."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from carbonslurm.core.action import Action, Verb
from carbonslurm.errors import LedgerError
from carbonslurm.ledger.place import Place
from carbonslurm.ledger.postgres import PostgresServer
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.sqlite import SqliteFile
from carbonslurm.ledger.tables import ACTION, OUTCOME, RUN
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import Outcome, OutcomeState, RunFilter

Hours = Callable[[float], datetime]

# A daemon that intends seven actions at a time, and settles them, until it is killed.
WRITER = """
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.job import AccountedRun, JobKey, JobState, QueuedJob, RunKey, Tres
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import Outcome, OutcomeState

now = datetime(2026, 11, 22, tzinfo=UTC)
place = Path(sys.argv[1])
if len(sys.argv) > 2:
    from carbonslurm.ledger.postgres import PostgresServer
    place = PostgresServer(sys.argv[1], Path(sys.argv[2]))
ledger = Ledger.open(place)

def job(number):
    return QueuedJob(JobKey("green", number), str(number), JobState.PENDING, "ada", "physics", "gpu", "none",
                     now, now, None, None, None, (), False, "None", 0, True, None, Tres())

def run(number):
    return AccountedRun(RunKey("green", number, now), None, "ada", "physics", "gpu", "normal", now, now,
                        now, "COMPLETED", "0:0", None, Tres(), None, None)

for turn in range(1_000_000):
    jobs = [job(7 * turn + number) for number in range(7)]
    for number in ledger.intend(None, [Action(Verb.WITHHOLD, job, "", until=now) for job in jobs], now):
        ledger.settle({number: Outcome(OutcomeState.APPLIED, now)})
    ledger.keep_runs([run(7 * turn + number) for number in range(7)], now)
    print(turn, flush=True)
"""


def _words(place: Place) -> list[str]:
    """The words by which another process finds a place."""
    if isinstance(place, SqliteFile):
        return [str(place)]
    assert isinstance(place, PostgresServer)
    return [place.url, str(place.password_file)]


def _one_line(error: pytest.ExceptionInfo[LedgerError], path: Path | Place) -> str:
    words = str(error.value)
    assert "\n" not in words
    assert words.startswith(f"ledger {path}: ")
    return words


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "ledger.db"
    with pytest.raises(LedgerError) as caught:
        Ledger.open(path)
    assert "there is no folder" in _one_line(caught, path)
    assert not path.parent.exists()


def test_no_ledger_is_not_an_empty_one(path: Path) -> None:
    with pytest.raises(LedgerError) as caught:
        Reading.open(path)
    assert "there is none" in _one_line(caught, path)
    assert not path.exists()


@pytest.mark.parametrize("opens", [Ledger.open, Reading.open])
def test_another_file_is_left_as_it_is(path: Path, opens: Callable[[Path], Any]) -> None:
    path.write_text("to be or not to be\n" * 100)
    with pytest.raises(LedgerError) as caught:
        opens(path)
    assert "not a database" in _one_line(caught, path)
    assert path.read_text().startswith("to be")


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.mkdir()
    with pytest.raises(LedgerError) as caught:
        Ledger.open(path)
    _one_line(caught, path)


def test_locked_too_long_is_an_error_and_writes_nothing(path: Path, make_job: Any, clock: Hours) -> None:
    with Ledger.open(path, patience=timedelta(milliseconds=50)) as ledger:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError) as caught:
            ledger.intend(None, [Action(Verb.LEAVE, make_job(), "a reason")], clock(0))
        assert "database is locked" in _one_line(caught, path)
        assert ledger.actions("green", clock(0)) == []
        other.execute("ROLLBACK")
        other.close()
        assert len(ledger.intend(None, [Action(Verb.LEAVE, make_job(), "a reason")], clock(0))) == 1


def test_a_full_disk_is_an_error_and_writes_nothing(
    path: Path, make_job: Any, make_run: Any, clock: Hours
) -> None:
    """SQLite's own limit of pages gives what a full disk gives: SQLITE_FULL."""
    with Ledger.open(path) as ledger:
        engine = ledger._database._engine  # noqa: SLF001  # the limit belongs to a connection
        raw = engine.raw_connection()
        pages = raw.cursor().execute("PRAGMA page_count").fetchone()[0]
        raw.cursor().execute(f"PRAGMA max_page_count = {pages}")
        raw.close()
        with pytest.raises(LedgerError) as caught:
            ledger.keep_runs([make_run(job_id=number) for number in range(1000)], clock(9))
        assert "full" in _one_line(caught, path)
        assert ledger.runs(RunFilter()) == []


def test_threads_wait_for_each_other(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    def work(job_id: int) -> None:
        for _ in range(10):
            (number,) = ledger.intend(
                None, [Action(Verb.WITHHOLD, make_job(job_id), "", until=clock(5))], clock(0)
            )
            ledger.settle({number: Outcome(OutcomeState.APPLIED, clock(1))})
            ledger.plans("green", [job_id])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    rows = ledger.actions("green", clock(0))
    assert len(rows) == 80
    assert {row.state for row in rows} == {"applied"}


OPENER = """
import sys
from pathlib import Path
from carbonslurm.ledger.writing import Ledger
place = Path(sys.argv[1])
if len(sys.argv) > 2:
    from carbonslurm.ledger.postgres import PostgresServer
    place = PostgresServer(sys.argv[1], Path(sys.argv[2]))
Ledger.open(place).close()
"""


def test_two_that_open_at_once_make_one_ledger(bare_place: Place) -> None:
    command = [sys.executable, "-c", OPENER, *_words(bare_place)]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [(process.communicate()[1], process.returncode) for process in started] == [("", 0)] * 4
    Reading.open(bare_place).close()


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 9])
def test_a_killed_writer_leaves_nothing_half_written(place: Place, turns: int) -> None:
    command = [sys.executable, "-c", WRITER, *_words(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(turns + 1):
            writer.stdout.readline()
        os.kill(writer.pid, signal.SIGKILL)
    with Reading.open(place) as reading:
        assert _counts(reading)[0] % 7 == 0
    with Ledger.open(place) as ledger:
        # One that was just being committed when its writer died is whole, or it is not there.
        with ledger._database.writing():  # noqa: SLF001
            pass
        actions, outcomes, runs = _counts(ledger)
    assert actions % 7 == runs % 7 == 0
    assert actions - 7 <= runs <= actions
    assert actions - 7 <= outcomes <= actions
    assert actions >= 7 * (turns + 1)
    if isinstance(place, SqliteFile):
        connection = sqlite3.connect(place.path)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.close()


def _counts(ledger: Ledger | Reading) -> list[int]:
    with ledger._database.reading() as connection:  # noqa: SLF001  # rows are what this is about
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (ACTION, OUTCOME, RUN)
        ]
