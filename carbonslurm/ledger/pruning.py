"""What an old ledger can lose without changing a figure, and losing it.

Runs, figures and measured intensities stay for good. So do actions that changed a job, or may have: baselines
are made of them. What may go, when it is older than a site wants to keep it:

- Forecasts, except where a figure may rest on them: an hour that nobody measured is painted by the issue that
  was
  published last (``archive``), so of such an hour the issue that counts stays.
- Actions that were only observed, and cycles behind which no action stands.

Nothing is locked for long: what goes is worked out while others write, and goes a few hundred at a time. Cut
off, the rest goes the next time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Select, Table, delete, exists, func, select

from carbonslurm.core.forecast import Floats, Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.ledger.database import Room, in_batches
from carbonslurm.ledger.issues import counting_points
from carbonslurm.ledger.pictures import measured_layers
from carbonslurm.ledger.tables import ACTION, CYCLE, ISSUE, ISSUE_POINT, OUTCOME
from carbonslurm.ports import OutcomeState

MONTH = timedelta(days=30)  # of forecasts are looked through at once
AT_ONCE = 300  # rows of the first table of a batch; an issue has about a hundred points


@dataclass(frozen=True, slots=True)
class Keep:
    """From when on all is kept."""

    forecasts: datetime
    actions: datetime
    cycles: datetime


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows go, or went, and how many old issues stay since figures may rest on them."""

    issues: int
    points: int
    needed_issues: int
    actions: int
    outcomes: int
    cycles: int


class Pruning(Room):
    """What may go. Reads only."""

    def prunable(self, keep: Keep) -> Pruned:
        """Return how many rows may go.

        Raises:
            LedgerError: it could not be read.
        """
        issues, needed = self._issues(keep.forecasts)
        with self._database.reading() as connection:
            points = sum(
                _count(connection, ISSUE_POINT, ISSUE_POINT.c.issue.in_(batch))
                for batch in in_batches(issues)
            )
            observed = select(ACTION.c.id).where(_only_observed(keep.actions))
            return Pruned(
                issues=len(issues),
                points=points,
                needed_issues=needed,
                actions=_count(connection, ACTION, _only_observed(keep.actions)),
                outcomes=_count(connection, OUTCOME, OUTCOME.c.action.in_(observed)),
                cycles=_count(connection, CYCLE, _idle(keep)),
            )

    def _issues(self, before: datetime) -> tuple[list[int], int]:
        """Return the old issues that may go, and how many must stay."""
        old = (ISSUE.c.ends_at < before, ISSUE.c.fetched_at < before)
        of = (ISSUE.c.zone, ISSUE.c.kind, ISSUE.c.scope)
        spans = select(*of, func.min(ISSUE.c.starts_at), func.max(ISSUE.c.ends_at)).where(*old).group_by(*of)
        with self._database.reading() as connection:
            candidates = set(connection.execute(select(ISSUE.c.id).where(*old)).scalars())
            needed: set[int] = set()
            for zone, kind, scope, start, end in connection.execute(spans).all():
                nature = Nature(Kind(kind), Scope(scope))
                for window in _months(Interval(start, end)):
                    needed |= _needed(connection, zone, nature, window)
        return sorted(candidates - needed), len(candidates & needed)


class Pruner(Pruning):
    """Lets it go."""

    def prune(self, keep: Keep) -> Pruned:
        """Delete what may go; return how many rows went.

        Raises:
            LedgerError: it could not be written; what was deleted before stays so.
        """
        issues, needed = self._issues(keep.forecasts)
        points = self._delete_issues(issues)
        actions, outcomes = self._delete_actions(keep.actions)
        return Pruned(len(issues), points, needed, actions, outcomes, self._delete_cycles(keep))

    def _delete_issues(self, issues: Sequence[int]) -> int:
        points = 0
        for batch in in_batches(issues, AT_ONCE):
            with self._database.writing() as connection:
                points += connection.execute(
                    delete(ISSUE_POINT).where(ISSUE_POINT.c.issue.in_(batch))
                ).rowcount
                connection.execute(delete(ISSUE).where(ISSUE.c.id.in_(batch)))
        return points

    def _delete_actions(self, before: datetime) -> tuple[int, int]:
        actions = outcomes = 0
        wanted = select(ACTION.c.id).where(_only_observed(before)).limit(AT_ONCE)
        for batch in self._batches(wanted):
            with self._database.writing() as connection:
                gone = delete(OUTCOME).where(OUTCOME.c.action.in_(batch))
                outcomes += connection.execute(gone).rowcount
                actions += connection.execute(delete(ACTION).where(ACTION.c.id.in_(batch))).rowcount
        return actions, outcomes

    def _delete_cycles(self, keep: Keep) -> int:
        cycles = 0
        for batch in self._batches(select(CYCLE.c.id).where(_idle(keep)).limit(AT_ONCE)):
            with self._database.writing() as connection:
                cycles += connection.execute(delete(CYCLE).where(CYCLE.c.id.in_(batch))).rowcount
        return cycles

    def _batches(self, wanted: Select[Any]) -> Iterator[Sequence[int]]:
        """Ask again and again: what was found is gone by then."""
        while True:
            with self._database.reading() as connection:
                found = connection.execute(wanted).scalars().all()
            if not found:
                return
            yield found


def _needed(connection: Connection, zone: str, nature: Nature, window: Interval) -> set[int]:
    """Return the issues of the steps that nobody measured in full, of each step the one that counts."""
    points = np.array(counting_points(connection, zone, nature, window), dtype=float).reshape(-1, 3)
    measured = _measured(connection, zone, nature, window)
    missing = points[:, 2] - points[:, 1] - measured_seconds(measured, points[:, 1], points[:, 2]) > 1e-3
    return {int(number) for number in points[missing, 0]}


def _measured(connection: Connection, zone: str, nature: Nature, window: Interval) -> Floats:
    """Return an array, shape (n, 2), of the spans that were measured, joined, in order."""
    layers = measured_layers(connection, zone, nature, window)
    joined: list[list[float]] = []
    for start, end in sorted((layer.start, layer.end) for layer in layers):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    return np.array(joined, dtype=float).reshape(-1, 2)


def measured_seconds(spans: Floats, starts: Floats, ends: Floats) -> Floats:
    """Return for how many seconds of each step something was measured.

    Args:
        spans: shape (n, 2), Unix seconds: disjoint, in order.
        starts: shape (k,), of the steps.
        ends: shape (k,).
    """
    if len(spans) == 0:
        return np.zeros(len(starts))
    edges = spans.ravel()
    covered = np.concatenate(([0.0], np.cumsum(np.diff(edges) * (np.arange(len(edges) - 1) % 2 == 0))))
    return np.asarray(np.interp(ends, edges, covered) - np.interp(starts, edges, covered))


def _months(span: Interval) -> Iterator[Interval]:
    start = span.start
    while start < span.end:
        end = min(start + MONTH, span.end)
        yield Interval(start, end)
        start = end


def _only_observed(before: datetime) -> ColumnElement[bool]:
    """Tell whether an old action was written down in observe mode, and never done."""
    states = exists().where(OUTCOME.c.action == ACTION.c.id)
    observed = OUTCOME.c.state == OutcomeState.OBSERVED.value
    return (ACTION.c.intended_at < before) & states.where(observed) & ~states.where(~observed)


def _idle(keep: Keep) -> ColumnElement[bool]:
    """Tell whether an old cycle has no action behind it, or none that stays; the newest of all stays."""
    acted = exists().where(ACTION.c.cycle == CYCLE.c.id, ~_only_observed(keep.actions))
    newer = CYCLE.alias()
    newest = select(func.max(newer.c.id)).scalar_subquery()
    return (CYCLE.c.begun_at < keep.cycles) & ~acted & (CYCLE.c.id < newest)


def _count(connection: Connection, table: Table, which: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(which)).scalar_one())
