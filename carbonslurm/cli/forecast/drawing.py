"""A zone's curve in a terminal: what was measured, what is expected, the band around it, and now.

Cells are characters. In UTF-8 a line is drawn in braille, 2 x 4 dots a character, and the band in light
shade; in plain ASCII a line is one mark a column. Colours are blue and orange, which nearly all eyes tell
apart, and never the only difference: the line of now stands between the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import click
import numpy as np

from carbonslurm.core.interval import from_epoch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carbonslurm.cli.forecast.paper import Paper
    from carbonslurm.core.forecast import Floats, Issue, Series
    from carbonslurm.core.interval import Interval

BLUE, ORANGE, GREY = 39, 214, 245  # of the 256 colours
_COLOURS = {"measured": BLUE, "expected": ORANGE, "band": GREY, "now": GREY, "axis": GREY}
_BRAILLE = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # by column and row, Unicode chapter 21.1
_HOURS = (1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 672, 1344, 2688)  # between two labels of the axis
_LABEL = 8  # columns that a label needs


@dataclass(frozen=True, slots=True)
class Curve:
    """What is drawn.

    Attributes:
        measured: None for nothing.
        issue: the forecast, drawn from where the measured values end; None for nothing.
    """

    window: Interval
    now: datetime
    measured: Series | None
    issue: Issue | None


Cells = list[list[tuple[str, str]]]  # by row from the top, then column: a character and what it is


def drawn(curve: Curve, paper: Paper) -> str:
    """Return the curve as lines of text; an empty text where there is nothing to draw."""
    values = _values(curve)
    if not len(values):
        return ""
    ticks = ticks_between(float(values.min()), float(values.max()))
    gutter = max(len(f"{tick:g}") for tick in ticks) + 2
    columns = max(paper.width - gutter - 1, 10)
    cells = _cells(curve, (ticks[0], ticks[-1]), columns, paper)
    marks = _rows_of(ticks, paper.height)
    lines = ["g/kWh"]
    for row, line in enumerate(cells):
        label = f"{marks[row]:g}" if row in marks else ""
        edge = ("┤" if row in marks else "│") if paper.unicode else ("+" if row in marks else "|")
        lines.append(_styled([(f"{label:>{gutter - 1}} {edge}", "axis"), *line], colour=paper.colour))
    axis, labels = _time_axis(curve.window, columns, unicode=paper.unicode)
    corner = "└" if paper.unicode else "+"
    lines.append(_styled([(" " * gutter + corner + axis, "axis")], colour=paper.colour))
    lines.append((" " * (gutter + 1) + labels).rstrip())
    return "\n".join(lines)


def legend(curve: Curve, paper: Paper) -> str:
    """Return what the lines are, of those that are drawn."""
    parts: list[tuple[str, str]] = []
    if curve.measured is not None:
        parts.append(("measured" if paper.unicode else "* measured", "measured"))
    if curve.issue is not None and expected_from(curve) < curve.window.end.timestamp():
        parts.append(("forecast" if paper.unicode else "o forecast", "expected"))
        if curve.issue.band is not None:
            share = f"{curve.issue.band.share:.0%} of the truth is expected within"
            parts.append((f"{'░' if paper.unicode else '.'} {share}", "band"))
    return _styled([piece for part in parts for piece in (("  ", ""), part)], colour=paper.colour)


def expected_from(curve: Curve) -> float:
    """Return from when on the forecast is drawn, Unix seconds: where the measured values end."""
    if curve.measured is None:
        return curve.window.start.timestamp()
    known = curve.measured.edges[1:][~np.isnan(curve.measured.values)]
    return float(known[-1]) if len(known) else curve.window.start.timestamp()


def ticks_between(least: float, most: float) -> list[float]:
    """Return three to seven round numbers, evenly spaced, that enclose what lies between."""
    spread = max(most - least, 0.04 * abs(most), 1.0)
    unit = 10.0 ** np.floor(np.log10(spread / 3))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10, 20) if spread / (unit * factor) <= 5)
    first = np.floor(least / step) * step
    count = max(int(np.ceil((most - first) / step - 1e-9)), 2)
    return [float(first + step * number) for number in range(count + 1)]


def _values(curve: Curve) -> Floats:
    """Return every number that has to fit on the paper."""
    start, end = curve.window.start.timestamp(), curve.window.end.timestamp()
    found = []
    if curve.measured is not None:
        found.append(_within(curve.measured, curve.measured.values, start, end))
    if curve.issue is not None:
        series, band = curve.issue.series, curve.issue.band
        since = max(start, expected_from(curve))
        parts = [series.values] if band is None else [series.values, band.low, band.high]
        found += [_within(series, part, since, end) for part in parts]
    return np.concatenate(found) if found else np.array([])


def _within(series: Series, values: Floats, start: float, end: float) -> Floats:
    inside = (series.edges[1:] > start) & (series.edges[:-1] < end) & ~np.isnan(values)
    return values[inside]


def sampled(series: Series, values: Floats, window: Interval, count: int, since: float = -np.inf) -> Floats:
    """Return values at the middles of a window's equal parts, NaN where they are unknown.

    Args:
        series: for its edges.
        values: of each step, shape (n,).
        window: what is cut into parts.
        count: of parts.
        since: Unix seconds before which nothing is wanted.
    """
    start, seconds = window.start.timestamp(), window.length.total_seconds() / count
    moments = start + seconds * (np.arange(count) + 0.5)
    places = np.searchsorted(series.edges, moments, side="right") - 1
    inside = (places >= 0) & (places < len(values)) & (moments >= since)
    return np.where(inside, values[np.clip(places, 0, len(values) - 1)], np.nan)


def _cells(curve: Curve, limits: tuple[float, float], columns: int, paper: Paper) -> Cells:
    cells: Cells = [[(" ", "")] * columns for _ in range(paper.height)]
    since = expected_from(curve)
    if curve.issue is not None and curve.issue.band is not None:
        lows, highs = (
            sampled(curve.issue.series, part, curve.window, columns, since)
            for part in (curve.issue.band.low, curve.issue.band.high)
        )
        _shade(cells, _rows(lows, limits, paper.height), _rows(highs, limits, paper.height), paper)
    _draw_now(cells, curve, columns, paper)
    lines = [("measured", curve.measured, -np.inf)]
    lines.append(("expected", curve.issue.series if curve.issue else None, since))
    for what, series, begin in lines:
        if series is not None and paper.unicode:
            fine = sampled(series, series.values, curve.window, columns * 2, begin)
            _draw_dots(cells, _rows(fine, limits, paper.height * 4), what)
        elif series is not None:
            marks = _rows(sampled(series, series.values, curve.window, columns, begin), limits, paper.height)
            for column, row in enumerate(marks):
                if row is not None:
                    cells[row][column] = ("*" if what == "measured" else "o", what)
    return cells


def _rows(values: Floats, limits: tuple[float, float], height: int) -> list[int | None]:
    """Return in which row, from the top, each value stands."""
    least, most = limits
    found: list[int | None] = []
    for value in values:
        place = None if np.isnan(value) else round((float(value) - least) / (most - least) * (height - 1))
        found.append(None if place is None else height - 1 - min(max(place, 0), height - 1))
    return found


def _shade(cells: Cells, lows: Sequence[int | None], highs: Sequence[int | None], paper: Paper) -> None:
    for column, (low, high) in enumerate(zip(lows, highs, strict=True)):
        if low is not None and high is not None:
            for row in range(high, low + 1):
                cells[row][column] = ("░" if paper.unicode else ".", "band")


def _draw_now(cells: Cells, curve: Curve, columns: int, paper: Paper) -> None:
    if not curve.window.start <= curve.now < curve.window.end:
        return
    column = int((curve.now - curve.window.start) / curve.window.length * columns)
    for line in cells:
        line[column] = ("│" if paper.unicode else "|", "now")
    for place, letter in enumerate("now", column + 1):
        if place < columns:
            cells[0][place] = (letter, "now")


def _draw_dots(cells: Cells, rows: Sequence[int | None], what: str) -> None:
    """Draw a line in braille; neighbouring columns are joined, so that a step has no hole in it."""
    dots: dict[tuple[int, int], int] = {}
    before: int | None = None
    for place, row in enumerate(rows):
        if row is not None:
            reach = [row] if before is None else _joined(before, row)
            for each in reach:
                cell = (each // 4, place // 2)
                dots[cell] = dots.get(cell, 0) | _DOTS[place % 2][each % 4]
        before = row
    for (row, column), bits in dots.items():
        cells[row][column] = (chr(_BRAILLE + bits), what)


def _joined(before: int, row: int) -> range:
    if before == row:
        return range(row, row + 1)
    return range(before + 1, row + 1) if before < row else range(row, before)


def _rows_of(ticks: Sequence[float], height: int) -> dict[int, float]:
    places = _rows(np.array(ticks), (ticks[0], ticks[-1]), height)
    return {row: tick for row, tick in zip(places, ticks, strict=True) if row is not None}


def _time_axis(window: Interval, columns: int, *, unicode: bool) -> tuple[str, str]:
    """Return the axis with its ticks, and the labels below them, in local time."""
    axis, labels = ["─" if unicode else "-"] * columns, [" "] * (columns + _LABEL)
    free = 0
    for seconds, label in time_ticks(window, columns // _LABEL):
        column = int((seconds - window.start.timestamp()) / window.length.total_seconds() * columns)
        if column < free or column >= columns:
            continue
        axis[column] = "┬" if unicode else "+"
        begin = max(min(column - len(label) // 2, columns - len(label)), 0)
        labels[begin : begin + len(label)] = label
        free = column + len(label) + 1
    return "".join(axis), "".join(labels)


def time_ticks(window: Interval, most: int) -> list[tuple[float, str]]:
    """Return moments, Unix seconds, and labels in local time for an axis: hours, and dates at midnight."""
    hours = window.length / timedelta(hours=1)
    step = next((it for it in _HOURS if hours / it <= max(most, 1)), _HOURS[-1])
    first = -(-window.start.timestamp() // 900) * 900  # local clocks are off by whole quarters
    found, days = [], max(step // 24, 1)
    for seconds in np.arange(first, window.end.timestamp(), 900):
        local = from_epoch(float(seconds)).astimezone()
        if local.minute or local.hour % min(step, 24) or (local.hour == 0 and local.toordinal() % days):
            continue
        if step < 24 or local.hour == 0:
            found.append((float(seconds), local.strftime("%m-%d" if local.hour == 0 else "%H:%M")))
    return found


def _styled(parts: Sequence[tuple[str, str]], *, colour: bool) -> str:
    text, run, kind = "", "", ""
    for part, what in [*parts, ("", "end")]:
        if what != kind:
            text += click.style(run, fg=_COLOURS[kind]) if colour and run and kind in _COLOURS else run
            run, kind = "", what
        run += part
    return text.rstrip()
