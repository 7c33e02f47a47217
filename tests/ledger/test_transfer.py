"""Whole ledgers on the move: copied, exported, imported, backed up; every row arrives, or none."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from filled import fill

from carbonslurm.cli.ledger import ledger as command
from carbonslurm.errors import DataError, LedgerError, UsageError
from carbonslurm.ledger.exporting import export, fill_from, read_list
from carbonslurm.ledger.plain import RUNS, RUNS_COLUMNS, TABLES
from carbonslurm.ledger.postgres import PostgresServer
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.sqlite import SqliteFile
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import RunFilter

if TYPE_CHECKING:
    from carbonslurm.ledger.place import Place

Hours = Callable[[float], datetime]
Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def make(make_job: Any, make_run: Any, make_figure: Any, make_series: Any, make_issue: Any) -> dict[str, Any]:
    return {
        "job": make_job,
        "run": make_run,
        "figure": make_figure,
        "series": make_series,
        "issue": make_issue,
    }


@pytest.fixture
def filled(ledger: Ledger, make: Any, clock: Hours) -> Ledger:
    fill(ledger, make, clock)
    return ledger


def _rows(ledger: Ledger | Reading) -> Rows:
    with ledger.view() as view:
        return {name: [tuple(row) for batch in view.batches(name) for row in batch] for name in TABLES}


def _run(*words: str | Path) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def _takes_over(ledger: Ledger, book: Ledger) -> None:
    with ledger.view() as view:
        counts = {name: view.count(name) for name in TABLES}
        book.fill({name: view.batches(name) for name in TABLES}, counts)


def test_every_table_has_a_row_to_be_moved(filled: Ledger) -> None:
    """Else the tests below say nothing of it: whoever adds a table adds a row to tests/parts/filled.py."""
    assert [name for name, rows in _rows(filled).items() if not rows] == []


# --- copied


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_copy_has_the_same_rows_and_numbers_on(
    filled: Ledger, request: pytest.FixtureRequest, tmp_path: Path, make_run: Any, clock: Hours, kind: str
) -> None:
    target: Place = SqliteFile(tmp_path / "copy.db")
    if kind == "postgres":
        target = request.getfixturevalue("new_database")()
    with Ledger.open(target) as book:
        _takes_over(filled, book)
        assert _rows(book) == _rows(filled)
        assert book.keep_runs([make_run(job_id=99)], clock(9)) == 1
        assert max(row[0] for row in _rows(book)["run"]) == 3


def test_a_ledger_with_rows_is_not_written_over(filled: Ledger, tmp_path: Path, make: Any) -> None:
    with Ledger.open(tmp_path / "other.db") as book:
        book.begin_cycle(datetime.now().astimezone(), observe=True)
        before = _rows(book)
        with pytest.raises(LedgerError, match="it has rows already: cycle"):
            _takes_over(filled, book)
        assert _rows(book) == before


def test_what_does_not_arrive_whole_does_not_arrive(filled: Ledger, tmp_path: Path) -> None:
    rows = _rows(filled)
    with Ledger.open(tmp_path / "other.db") as book:
        counts = {name: len(found) for name, found in rows.items()}
        with pytest.raises(LedgerError, match="run: 2 rows instead of 3"):
            book.fill({name: [found] for name, found in rows.items()}, counts | {"run": 3})
        assert not any(_rows(book).values())


def test_the_command_takes_sqlite_to_postgresql(
    path: Path, make: Any, clock: Hours, new_database: Callable[..., PostgresServer]
) -> None:
    with Ledger.open(path, cluster="green") as ledger:
        fill(ledger, make, clock)
        before = _rows(ledger)
    server = new_database(empty=True)
    words = ("copy", "--path", path, "--to", server.url, "--password-file", str(server.password_file))
    result = _run(*words, "--json")
    assert result.exit_code == 0, result.exception
    assert json.loads(result.output) == {
        "where": server.url,
        "rows": {name: len(rows) for name, rows in before.items()},
    }
    with Reading.open(server) as reading:
        assert _rows(reading) == before
    again = _run(*words)
    assert isinstance(again.exception, LedgerError)
    assert "it has rows already" in str(again.exception)


# --- exported


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_what_is_exported_is_imported_to_the_last_bit(
    filled: Ledger, request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    with filled.view() as view:
        told = export(view, tmp_path / "out", kind, tuple(TABLES))
    assert told == read_list(tmp_path / "out")
    with Ledger.open(tmp_path / "new.db") as book:
        assert fill_from(tmp_path / "out", book) == told.rows
        assert _rows(book) == _rows(filled)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_runs_are_written_with_the_figure_that_counts(filled: Ledger, tmp_path: Path, kind: str) -> None:
    import pandas as pd

    with filled.view() as view:
        assert export(view, tmp_path / "out", kind, [RUNS]).rows == {RUNS: 2}
    file = tmp_path / "out" / f"runs.{kind}"
    table = pd.read_parquet(file) if kind == "parquet" else pd.read_csv(file)
    assert list(table.columns) == [column.name for column in RUNS_COLUMNS]
    rows = {row["job_id"]: row for _, row in table.iterrows()}
    first, second = rows[7], rows[8]
    assert first["figure_emitted_g"] == pytest.approx(1 / 3)
    assert pd.isna(second["figure_emitted_g"])
    assert pd.Timestamp(first["started"]) == pd.Timestamp("2026-11-22T01:00:00Z")
    with Ledger.open(tmp_path / "new.db") as book, pytest.raises(DataError, match="not all tables"):
        fill_from(tmp_path / "out", book)


def test_export_and_import_as_commands(path: Path, tmp_path: Path, make: Any, clock: Hours) -> None:
    with Ledger.open(path, cluster="green") as ledger:
        fill(ledger, make, clock)
    done = _run("export", "--path", path, tmp_path / "out", "--format", "csv")
    assert done.exit_code == 0, done.exception
    assert "2 run" in done.output
    done = _run("import", "--path", tmp_path / "new.db", tmp_path / "out")
    assert done.exit_code == 0, done.exception
    assert "2 run" in done.output
    with Reading.open(path) as old, Reading.open(tmp_path / "new.db") as new:
        assert _rows(old) == _rows(new)
    assert isinstance(_run("import", "--path", path).exception, UsageError)
    assert isinstance(_run("import", "--path", path, "--sacct", "x", "y").exception, UsageError)
    assert isinstance(_run("export", "--path", path, "--table", "rum", tmp_path / "o").exception, UsageError)


def test_a_folder_that_is_not_empty_is_left_alone(filled: Ledger, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with filled.view() as view, pytest.raises(LedgerError, match="is not empty"):
        export(view, tmp_path / "out", "csv", tuple(TABLES))
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine"]


def _cut(folder: Path) -> None:
    file = folder / "run.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))


def _lose(folder: Path) -> None:
    file = folder / "figure.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))


def _garble(folder: Path) -> None:
    file = folder / "intensity.csv"
    file.write_text(file.read_text().replace("100.1", "much"))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_cut, "fields instead of"),
        (_lose, "figure: 1 rows instead of 2"),
        (_garble, "could not convert string to float"),
        (lambda folder: (folder / "run.csv").write_text("a,b\n"), "does not name the columns"),
        (lambda folder: (folder / "run.csv").unlink(), "No such file"),
        (lambda folder: (folder / "ledger.json").unlink(), "no whole export"),
        (lambda folder: (folder / "ledger.json").write_text("{}"), "does not say what was exported"),
        (
            lambda folder: (folder / "ledger.json").write_text(
                (folder / "ledger.json").read_text().replace('"revision": "', '"revision": "9')
            ),
            "its tables are of revision 9",
        ),
    ],
)
def test_what_is_no_whole_export_is_refused_and_nothing_is_written(
    path: Path, tmp_path: Path, make: Any, clock: Hours, spoil: Callable[[Path], object], says: str
) -> None:
    with Ledger.open(path, cluster="green") as ledger:
        fill(ledger, make, clock)
        with ledger.view() as view:
            export(view, tmp_path / "out", "csv", tuple(TABLES))
    spoil(tmp_path / "out")
    with Ledger.open(tmp_path / "new.db") as book:
        with pytest.raises((DataError, LedgerError)) as caught:
            fill_from(tmp_path / "out", book)
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not any(_rows(book).values())


def test_a_parquet_file_that_is_none_is_one_line(filled: Ledger, tmp_path: Path) -> None:
    with filled.view() as view:
        export(view, tmp_path / "out", "parquet", tuple(TABLES))
    (tmp_path / "out" / "run.parquet").write_text("no parquet at all")
    with Ledger.open(tmp_path / "new.db") as book, pytest.raises(DataError) as caught:
        fill_from(tmp_path / "out", book)
    assert "\n" not in str(caught.value)


# --- backed up

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from carbonslurm.ledger.writing import Ledger
with Ledger.open(Path(sys.argv[1]), cluster="green") as ledger:
    for turn in range(1_000_000):
        ledger.begin_cycle(datetime(2026, 11, 22, tzinfo=UTC), observe=True)
        print(turn, flush=True)
"""


def test_a_backup_is_a_whole_ledger_while_the_daemon_writes(
    path: Path, tmp_path: Path, make: Any, clock: Hours
) -> None:
    with Ledger.open(path, cluster="green") as ledger:
        fill(ledger, make, clock)
        before = _rows(ledger)
    argv = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for number in range(3):
            written = int(writer.stdout.readline())
            result = _run("backup", "--path", path, tmp_path / f"backup-{number}.db")
            assert result.exit_code == 0, result.exception
            with Reading.open(tmp_path / f"backup-{number}.db") as copy:
                after = _rows(copy)
            assert len(after["cycle"]) > written
            assert {name: rows for name, rows in after.items() if name != "cycle"} == {
                name: rows for name, rows in before.items() if name != "cycle"
            }
            writer.stdout.readline()
        writer.kill()
    with Ledger.open(tmp_path / "backup-2.db") as restored:
        assert len(restored.runs(RunFilter())) == 2


def test_a_backup_takes_no_name_that_is_there(path: Path, tmp_path: Path) -> None:
    Ledger.open(path).close()
    (tmp_path / "backup.db").write_text("mine")
    assert isinstance(_run("backup", "--path", path, tmp_path / "backup.db").exception, LedgerError)
    assert (tmp_path / "backup.db").read_text() == "mine"


@pytest.mark.parametrize("target", ["nowhere/backup.db", "."])
def test_a_backup_that_cannot_be_written_leaves_nothing(path: Path, tmp_path: Path, target: str) -> None:
    Ledger.open(path).close()
    before = sorted(tmp_path.iterdir())
    result = _run("backup", "--path", path, tmp_path / target)
    assert isinstance(result.exception, LedgerError)
    assert "\n" not in str(result.exception)
    assert sorted(tmp_path.iterdir()) == before


def test_a_damaged_ledger_is_no_backup(path: Path, tmp_path: Path, make: Any, clock: Hours) -> None:
    with Ledger.open(path, cluster="green") as ledger:
        fill(ledger, make, clock)
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA journal_mode = DELETE")
    raw.close()
    content = bytearray(path.read_bytes())
    content[4096 * 5 : 4096 * 8] = b"\xff" * 4096 * 3
    path.write_bytes(content)
    result = _run("backup", "--path", path, tmp_path / "backup.db")
    assert isinstance(result.exception, LedgerError)
    assert not (tmp_path / "backup.db").exists()


def test_on_postgresql_the_servers_own_command_is_named(empty_tables: PostgresServer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pg_dump --format=custom"):
        empty_tables.back_up(tmp_path / "backup")


# --- what a copy must not take for a ledger


def test_a_view_does_not_move(filled: Ledger, make_run: Any, clock: Hours) -> None:
    with filled.view() as view:
        counted = view.count("run")
        filled.keep_runs([make_run(job_id=77)], clock(9) + timedelta(seconds=1))
        assert sum(len(batch) for batch in view.batches("run")) == counted
