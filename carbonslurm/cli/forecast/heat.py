"""A heat map of weekdays and hours in a terminal: darker and denser is dirtier, in colour and without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import numpy as np

if TYPE_CHECKING:
    from carbonslurm.core.patterns import Patterns

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SHADES = "·░▒▓█"
_MARKS = ".-+x#"  # none of them blank: a blank in a pipe would read as unknown
# Cividis at five places, of the 256 colours: from dark blue (clean) to yellow (dirty), for all eyes.
_COLOURS = (18, 60, 102, 143, 220)
_BAR = 40  # columns of the longest bar


def heat_map(found: Patterns, *, unicode: bool, colour: bool) -> str:
    """Return the map, with its scale below it; what is unknown is a question mark."""
    values = found.by_weekday_and_hour
    least, most = float(np.nanmin(values)), float(np.nanmax(values))
    lines = ["    " + "".join(f"{hour:02} " if hour % 2 == 0 else "   " for hour in range(24)).rstrip()]
    for day, row in zip(WEEKDAYS, values, strict=True):
        cells = [_cell(float(value), least, most, unicode=unicode, colour=colour) for value in row]
        lines.append((f"{day} " + "".join(cells)).rstrip())
    middles = [least + (most - least) * (place + 0.5) / len(_MARKS) for place in range(len(_MARKS))]
    scale = [
        f"{_cell(middle, least, most, unicode=unicode, colour=colour)} {middle:.0f}" for middle in middles
    ]
    return "\n".join([*lines, "    " + "  ".join(scale) + "  g/kWh"])


def bars(found: Patterns, *, unicode: bool) -> str:
    """Return a line for each month of which anything is known, with how much where that is little."""
    most = float(np.nanmax(found.by_month))
    lines = []
    for name, value, hours in zip(MONTHS, found.by_month, found.hours_by_month, strict=True):
        if np.isnan(value):
            continue
        length = round(float(value) / most * _BAR) if most > 0 else 0
        part = f"  (of {hours:.0f} h)" if hours < 24 * 25 else ""
        lines.append(f"{name} {value:5.0f} {('█' if unicode else '#') * length}{part}")
    return "\n".join(lines)


def _cell(value: float, least: float, most: float, *, unicode: bool, colour: bool) -> str:
    if np.isnan(value):
        return " ? "
    place = min(int((value - least) / (most - least) * len(_MARKS)), len(_MARKS) - 1) if most > least else 0
    if colour:
        return click.style("   ", bg=_COLOURS[place])
    return (_SHADES if unicode else _MARKS)[place] * 3
