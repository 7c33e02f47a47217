"""A made-up grid, published as the file provider reads it: for the demo and the tests of the whole."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from carbonslurm.core.interval import iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PAST = timedelta(minutes=1)


def publish(
    target: Path,
    start: datetime,
    levels: Sequence[tuple[float, float]],
    until: timedelta = timedelta(minutes=15),
) -> None:
    """Write a forecast, whole or not at all.

    Args:
        target: the file.
        start: what the levels count from; the first level holds for a minute before it, too.
        levels: (seconds after ``start``, g/kWh from then on), in order; the first at 0.
        until: after ``start``, where the forecast ends.
    """
    draft = target.with_suffix(".new")
    draft.write_text(as_csv(start, levels, until))
    draft.chmod(0o644)
    draft.rename(target)


def as_csv(start: datetime, levels: Sequence[tuple[float, float]], until: timedelta) -> str:
    """Return the file's text, one row a level, each with its end."""
    moments = [start - PAST, *(start + timedelta(seconds=since) for since, _ in levels[1:]), start + until]
    values = [value for _, value in levels]
    rows = [
        f"{iso(since)},{iso(before)},{value:g}"
        for (since, before), value in zip(pairwise(moments), values, strict=True)
    ]
    return "\n".join(["start,end,g_per_kwh", *rows]) + "\n"
