"""Steps of runs, once each: kept beside their runs, and asked for by whoever lists those.

They are read with their runs, again and again, and a step that says nothing new changes nothing; one that has
ended is never taken for running again. No figure is made of them, and no sum: they overlap each other. Most
sites keep none, and then a reader asks only whether there is any.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, exists, select, update

from carbonslurm.core.job import AccountedStep, RunKey
from carbonslurm.ledger.chosen import chosen
from carbonslurm.ledger.database import Room, in_batches
from carbonslurm.ledger.encoding import Columns, read_step, step_columns
from carbonslurm.ledger.queue_starts import run_numbers
from carbonslurm.ledger.tables import RUN, STEP
from carbonslurm.ports import RunFilter

# As sacct lists them, before those with numbers.
FIRST = ("interactive", "batch", "extern")


class StepReader(Room):
    """Read-only questions."""

    def has_steps(self) -> bool:
        """Tell whether there is any.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            return _any(connection)

    def steps(self, wanted: RunFilter) -> Mapping[RunKey, Sequence[AccountedStep]]:
        """Return the steps of each of these runs that has any, in the order in which sacct lists them.

        Raises:
            LedgerError: it could not be read.
        """
        found: defaultdict[RunKey, list[AccountedStep]] = defaultdict(list)
        mine = select(STEP, RUN.c.cluster, RUN.c.job_id, RUN.c.submitted).join(RUN, RUN.c.id == STEP.c.run)
        with self._database.reading() as connection:
            if not _any(connection):
                return {}
            for row in connection.execute(mine.where(STEP.c.run.in_(chosen(wanted)))).mappings():
                key = RunKey(row["cluster"], row["job_id"], row["submitted"])
                found[key].append(read_step(row, key))
        return {key: sorted(each, key=_place) for key, each in found.items()}


class StepBook(StepReader):
    """The daemon's side."""

    def keep_steps(self, steps: Sequence[AccountedStep]) -> int:
        """Store steps; one already stored is brought up to date. Return how many were new or changed.

        Args:
            steps: of runs that were kept before.

        Raises:
            KeyError: a run that the ledger does not know.
            LedgerError: it could not be written.
        """
        if not steps:
            return 0
        newest = {(it.run, it.name): it for it in sorted(steps, key=lambda it: it.ended is not None)}
        with self._database.writing() as connection:
            numbers = run_numbers(connection, {step.run for step in steps})
            told = {(numbers[run], name): step_columns(step) for (run, name), step in newest.items()}
            old = _stored(connection, numbers.values())
            new = [{"run": key[0], **facts} for key, facts in told.items() if key not in old]
            self._database.place.insert(connection, STEP, new)
            changed = [_change(connection, old[key], facts) for key, facts in told.items() if key in old]
        return len(new) + sum(changed)


def _any(connection: Connection) -> bool:
    return bool(connection.execute(select(exists(select(STEP.c.run)))).scalar())


def _stored(connection: Connection, runs: Collection[int]) -> dict[tuple[int, str], RowMapping]:
    found: dict[tuple[int, str], RowMapping] = {}
    for batch in in_batches(sorted(runs)):
        for row in connection.execute(select(STEP).where(STEP.c.run.in_(batch))).mappings():
            found[row["run"], row["step"]] = row
    return found


def _change(connection: Connection, row: RowMapping, told: Columns) -> bool:
    facts: dict[str, Any] = dict(told)
    if facts["job_name"] is None:  # some dumps lack it
        facts["job_name"] = row["job_name"]
    older = row["ended"] is not None and facts["ended"] is None
    if older or all(row[name] == value for name, value in facts.items()):
        return False
    mine = STEP.c.run == row["run"], STEP.c.step == row["step"]
    connection.execute(update(STEP).where(*mine).values(facts))
    return True


def _place(step: AccountedStep) -> tuple[int, int, str]:
    if step.name in FIRST:
        return FIRST.index(step.name), 0, step.name
    number = step.name.partition("+")[0]
    return len(FIRST), int(number) if number.isdecimal() else 0, step.name
