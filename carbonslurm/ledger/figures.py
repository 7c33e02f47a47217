"""Figures as rows: each with what stands beside it, the newest of a run, or the newest of a day."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, func, select

from carbonslurm.core.footprint import Beside, Figure
from carbonslurm.ledger.chosen import parts
from carbonslurm.ledger.database import in_batches
from carbonslurm.ledger.encoding import beside_columns, figure_columns, read_beside, read_figure
from carbonslurm.ledger.place import Place
from carbonslurm.ledger.tables import FIGURE, FIGURE_BESIDE, RUN
from carbonslurm.ports import RunFilter

_of_run = select(func.max(FIGURE.c.id)).where(FIGURE.c.run == RUN.c.id)
newest_figure = _of_run.correlate(RUN).scalar_subquery()


def counting_figure(as_of: datetime | None) -> ColumnElement[int]:
    """Return the number of a run's figure that counts, or of the one that counted at a moment."""
    if as_of is None:
        return RUN.c.figure
    return _of_run.where(FIGURE.c.computed_at <= as_of).correlate(RUN).scalar_subquery()


def with_figures(
    wanted: RunFilter, columns: Sequence[ColumnElement[Any]], *joined: ColumnElement[bool]
) -> list[Select[Any]]:
    """Return statements that together give columns of each run that is wanted, once, with its figure.

    Args:
        wanted: which runs.
        columns: of runs and figures.
        joined: what holds of a figure; a run whose figure is another has none.
    """
    runs = RUN.outerjoin(FIGURE, and_(FIGURE.c.id == counting_figure(wanted.as_of), *joined))
    return [select(*columns).select_from(runs).where(*part) for part in parts(wanted)]


def newest_figures(connection: Connection, runs: Sequence[int]) -> dict[int, Figure]:
    """Return the newest figures of some of our runs, by their numbers."""
    rows: list[RowMapping] = []
    for batch in in_batches(runs):
        mine = select(FIGURE).join(RUN, RUN.c.figure == FIGURE.c.id).where(RUN.c.id.in_(batch))
        rows += connection.execute(mine).mappings()
    beside = besides(connection, [row["id"] for row in rows])
    return {row["run"]: read_figure(row, beside.get(row["id"])) for row in rows}


def besides(connection: Connection, figures: Collection[int]) -> dict[int, Beside]:
    """Return what stands beside some figures, by their numbers; few sites have any."""
    if connection.execute(select(FIGURE_BESIDE.c.figure).limit(1)).first() is None:
        return {}
    found: dict[int, Beside] = {}
    for batch in in_batches(figures):
        mine = select(FIGURE_BESIDE).where(FIGURE_BESIDE.c.figure.in_(batch))
        found |= {row["figure"]: read_beside(row) for row in connection.execute(mine).mappings()}
    return found


def add_figures(place: Place, connection: Connection, figures: Mapping[int, Figure], at: datetime) -> None:
    """Store figures, by the numbers of their runs.

    Args:
        place: of the ledger.
        connection: to write with.
        figures: no run's newest one among them.
        at: when working them out began.
    """
    rows = [{**figure_columns(each), "run": run, "computed_at": at} for run, each in figures.items()]
    place.insert(connection, FIGURE, rows)
    with_more = [run for run, each in figures.items() if each.beside is not None]
    for batch in in_batches(with_more):
        newest = select(FIGURE.c.run, func.max(FIGURE.c.id).label("id")).where(FIGURE.c.run.in_(batch))
        numbers = {row.run: row.id for row in connection.execute(newest.group_by(FIGURE.c.run))}
        more = [
            {**beside_columns(beside), "figure": numbers[run]}
            for run in batch
            if (beside := figures[run].beside) is not None
        ]
        place.insert(connection, FIGURE_BESIDE, more)
