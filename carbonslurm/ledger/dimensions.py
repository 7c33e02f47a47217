"""By what runs are summed up, as columns: the dimensions of ``ports``, and the nature of a figure's grams."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Any

from sqlalchemy import Column, ColumnElement, Integer, RowMapping, and_, case, literal_column

from carbonslurm.core.nature import Kind, Nature, Scope
from carbonslurm.ledger.tables import FIGURE, RUN
from carbonslurm.ports import Dimension

_COLUMNS: Mapping[Dimension, Column[Any]] = {
    Dimension.CLUSTER: RUN.c.cluster,
    Dimension.USER: RUN.c.user_name,
    Dimension.ACCOUNT: RUN.c.account,
    Dimension.PARTITION: RUN.c.partition,
    Dimension.QOS: RUN.c.qos,
    Dimension.NAME: RUN.c.job_name,
    Dimension.STATE: RUN.c.state,
    Dimension.METHOD: FIGURE.c.energy_method,
    Dimension.QUALITY: FIGURE.c.energy_quality,
    Dimension.ZONE: FIGURE.c.zone,
    Dimension.SOURCE: FIGURE.c.source,
    Dimension.ESTIMATED: FIGURE.c.estimated,
}
OF_FIGURES = frozenset(it for it, column in _COLUMNS.items() if column.table is FIGURE)
_NATURES = tuple(Nature(kind, scope) for kind, scope in product(Kind, Scope))

KNOWN = and_(FIGURE.c.emitted_g.is_not(None), FIGURE.c.baseline_g.is_not(None))


def _number_of_nature() -> ColumnElement[int]:
    of = [and_(FIGURE.c.kind == it.kind.value, FIGURE.c.scope == it.scope.value) for it in _NATURES]
    return case(*((is_it, literal_column(str(number))) for number, is_it in enumerate(of)))


NATURE = case((KNOWN, _number_of_nature())).label("of_nature")
NATURE_OF_KNOWN = _number_of_nature().label("of_nature")  # where only figures with grams are joined


def nature_of(row: RowMapping) -> Nature | None:
    """Return the nature that ``NATURE`` says, None where the grams are not known."""
    number = row[NATURE.name]
    return None if number is None else _NATURES[number]


def column_of(which: Dimension, months: Sequence[datetime]) -> ColumnElement[Any]:
    """Return what to sum up by; a month is the number of one of ``months``, the firsts of rising months."""
    return _month(months, 0, len(months)) if which is Dimension.MONTH else _COLUMNS[which]


def _month(months: Sequence[datetime], first: int, behind: int) -> ColumnElement[int]:
    """Return the number of the month of a start, by halves: a comparison for each would take its time."""
    if behind - first <= 1:
        return literal_column(str(first), Integer)
    middle = (first + behind) // 2
    later = RUN.c.started >= months[middle]
    return case((later, _month(months, middle, behind)), else_=_month(months, first, middle))
