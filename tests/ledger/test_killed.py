"""Killed at any moment, in a migration or while it reads sacct: nothing lost, nothing twice.

A process brings an old ledger up to date, reads a dump of sacct into it and works out the figures. It is
killed (-9) at moments drawn by a seed, started again each time, and left alone in the end; then every row
must be what it is where nobody was killed. CARBONSLURM_KILLS says how often.
"""

import os
import random
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from carbonslurm.ledger.migrating import FOLDER
from carbonslurm.ledger.plain import TABLES
from carbonslurm.ledger.postgres import PostgresServer
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.sqlite import SqliteFile

KILLS = int(os.environ.get("CARBONSLURM_KILLS", "50"))
KILLS_A_LEDGER = 5
JOBS = 600
OLD_REVISION = "0003"
KNOWN_BEFORE = 40  # runs that the old ledger has, in an older state

NURSERY = Path(__file__).parents[1] / "parts" / "nursery.py"


@dataclass(frozen=True)
class Nursery:
    """Does the work in children, one after the other."""

    process: subprocess.Popen[bytes]

    def work(self, dump: Path, place: SqliteFile | PostgresServer, patience: float | None) -> int:
        """Have it done, and kill whoever does it after some seconds, None for never; return how it ended."""
        assert self.process.stdin is not None
        words = [str(place)] if isinstance(place, SqliteFile) else [place.url, str(place.password_file)]
        self.process.stdin.write(" ".join([str(dump), *words]).encode() + b"\n")
        self.process.stdin.flush()
        child = int(self._line())
        if patience is not None and not select.select([self.process.stdout], [], [], patience)[0]:
            os.kill(child, signal.SIGKILL)
        return int(self._line())

    def _line(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    argv = [sys.executable, str(NURSERY)]
    # Unbuffered: what select sees and what readline reads must be the same.
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Jobs of two days, each of an hour or less, some requeued, some with a step; a broken row in fifty."""
    chance = random.Random(6)  # noqa: S311  # the same rows each time
    lines = ["JobIDRaw|Submit|Start|End|State|User|Account|Partition|AllocTRES"]
    first = 1_795_132_800  # two days before 2026-11-22
    for number in range(JOBS):
        start = first + chance.randrange(2 * 86_400 - 7_300)
        end = start + chance.randrange(1, 3_600)
        user = chance.choice(["ada", "eve", "zoe"])
        rest = f"{user}|physics|gpu|cpu=4,gres/gpu:a100={number % 3},node=1"
        if number % 50 == 0:
            lines.append(f"{number}|{start}|{start}|Unknown|COMPLETED|{rest}")
        elif number % 10 == 0:
            lines.append(f"{number}|{start - 60}|{start}|{end}|REQUEUED|{rest}")
            lines.append(f"{number}|{end}|{end + 60}|{end + 120}|COMPLETED|{rest}")
        else:
            lines.append(f"{number}|{start - 60}|{start}|{end}|COMPLETED|{rest}")
            if number % 7 == 0:
                lines.append(f"{number}.0|{start}|{start}|{end}|COMPLETED||physics||cpu=2,node=1")
    file = tmp_path_factory.mktemp("dump") / "sacct.txt"
    file.write_text("\n".join(lines) + "\n")
    return file


def _make_old(place: SqliteFile | PostgresServer, dump: Path) -> None:
    """Make a ledger as an older version left it, with some of the jobs still running."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    place.prepare()
    engine = place.writer(timedelta(seconds=5), migrating=True)
    rows = [line.split("|") for line in dump.read_text().splitlines()[1:] if ".0|" not in line]
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, OLD_REVISION)
        for row in [row for row in rows if row[4] == "COMPLETED" and row[3] != "Unknown"][:KNOWN_BEFORE]:
            connection.execute(
                text(
                    "INSERT INTO run (cluster, job_id, submitted, user_name, account, partition, qos, "
                    "started, state, exit_code, cpus, nodes, gpus, recorded_at, changed_at, settled) VALUES "
                    "('green', :job, :submitted, :user, '', '', '', :started, 'RUNNING', '', 4, 1, '{}', 0, "
                    "0, :no)"
                ),
                {
                    "job": int(row[0]),
                    "submitted": float(row[1]),
                    "started": float(row[2]),
                    "user": row[5],
                    "no": False,
                },
            )
    engine.dispose()


@contextmanager
def _old_ledgers(
    kind: str, dump: Path, folder: Path, new_database: Callable[..., PostgresServer]
) -> Iterator[Callable[[], SqliteFile | PostgresServer]]:
    """Give a maker of old ledgers, each of which is new."""
    if kind == "postgres":

        def make() -> SqliteFile | PostgresServer:
            server = new_database(empty=True)
            _make_old(server, dump)
            return server

        yield make
        return
    original = SqliteFile(folder / "old.db")
    _make_old(original, dump)

    def copied() -> SqliteFile | PostgresServer:
        place = SqliteFile(folder / f"{len(list(folder.iterdir()))}.db")
        shutil.copy(original.path, place.path)
        return place

    yield copied


def _content(place: SqliteFile | PostgresServer) -> dict[str, list[tuple[Any, ...]]]:
    """Every row without its number; figures and steps with the job that theirs is, runs with their figure."""
    with Reading.open(place) as reading, reading.view() as view:
        rows = {name: [tuple(row) for batch in view.batches(name) for row in batch] for name in TABLES}
    jobs = {row[0]: row[1:4] for row in rows["run"]}
    columns = list(TABLES["figure"].c.keys())
    run = columns.index("run")
    figures = {row[0]: (*jobs[row[run]], *row[run + 1 :]) for row in rows["figure"]}
    content = {name: sorted((row[1:] for row in found), key=repr) for name, found in rows.items()}
    counts = TABLES["run"].c.keys().index("figure")
    runs = [(*row[1:counts], figures.get(row[counts]), *row[counts + 1 :]) for row in rows["run"]]
    steps = sorted((*jobs[row[0]], *row[1:]) for row in rows["step"])
    return content | {"run": sorted(runs, key=repr), "figure": sorted(figures.values()), "step": steps}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_whoever_is_killed_loses_nothing_and_writes_nothing_twice(
    kind: str,
    nursery: Nursery,
    dump: Path,
    tmp_path: Path,
    new_database: Callable[..., PostgresServer],
) -> None:
    chance = random.Random(50)  # noqa: S311  # the same moments each time
    kills = KILLS if kind == "sqlite" else KILLS // 5
    with _old_ledgers(kind, dump, tmp_path, new_database) as old:
        undisturbed = old()
        assert nursery.work(dump, undisturbed, None) == 0
        expected = _content(undisturbed)
        assert (len(expected["run"]), len(expected["set_aside"])) == (636, 12)
        assert (len(expected["figure"]), len(expected["step"])) == (636, 77)
        done = 0
        while done < kills:
            place = old()
            for number in range(min(KILLS_A_LEDGER, kills - done)):
                # The first two fall into the migration or just behind it, the others anywhere.
                patience = chance.uniform(0, 0.2 if number < 2 else 0.8)
                if nursery.work(dump, place, patience) == -signal.SIGKILL:
                    done += 1
            assert nursery.work(dump, place, None) == 0
            assert _content(place) == expected
