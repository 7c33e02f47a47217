"""The charts of a report, drawn into matplotlib's axes: months, hours of the day, and who.

One colour for what was, a line for what would have been, another colour for the grid. Colours are Okabe and
Ito's, as in ``pictures``; each chart can be read in grey, too.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from carbonslurm.formats.terminal import cleaned, grams_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from carbonslurm.app.report import Totals
    from carbonslurm.app.statement import Month
    from carbonslurm.core.load import HourProfile

BLUE, ORANGE, DARK = "#0072B2", "#D55E00", "#333333"
LONGEST_NAME = 24
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def months(rows: Sequence[Month]) -> Callable[[Any], None]:
    """Return the chart of emissions by month, beside what they would have been."""

    def draw(axes: Any) -> None:
        places = np.arange(len(rows))
        emitted = [(row.totals.emitted_g or 0.0) for row in rows]
        baseline = [(row.totals.baseline_g or 0.0) for row in rows]
        scale, unit = _unit(max([*emitted, *baseline], default=0.0))
        axes.bar(places, np.array(emitted) / scale, color=BLUE, width=0.62, label="emitted")
        _outlines(axes, places, np.array(baseline) / scale, "started at once")
        _name_months(axes, rows)
        axes.set_ylabel(f"{unit} CO2e")
        axes.set_xlim(-0.6, len(rows) - 0.4)
        _dressed(axes)

    return draw


def intensities(rows: Sequence[Month], zone: str) -> Callable[[Any], None]:
    """Return the chart of the intensity that jobs met by month, beside the grid's own mean."""

    def draw(axes: Any) -> None:
        places = np.arange(len(rows))
        met = np.array([np.nan if (it := row.totals.g_per_kwh) is None else it for row in rows])
        grid = np.array([np.nan if row.grid is None else row.grid for row in rows])
        name = f"the grid's mean ({cleaned(zone)})"
        axes.plot(places, grid, color=DARK, marker="s", markersize=3, linestyle="--", zorder=3, label=name)
        axes.plot(places, met, color=BLUE, marker="o", markersize=5, label="what the jobs met")
        _name_months(axes, rows)
        axes.set_ylabel("g CO2e / kWh")
        axes.set_xlim(-0.6, len(rows) - 0.4)
        known = np.concatenate((met, grid))
        axes.set_ylim(0, 1.15 * float(np.nanmax(known)) if not np.isnan(known).all() else 1.0)
        _dressed(axes)

    return draw


def hours(profile: HourProfile) -> Callable[[Any], None]:
    """Return the chart of energy by the hour of the day, beside the grid's intensity in it."""

    def draw(axes: Any) -> None:
        places = np.arange(24)
        axes.bar(places, profile.kwh, color=BLUE, width=0.8, label="energy, as it ran")
        edges = np.arange(25) - 0.5
        axes.stairs(
            profile.baseline_kwh,
            edges,
            color=DARK,
            linewidth=1.3,
            label="energy, started at once",
            baseline=None,
        )
        axes.set_ylabel("kWh")
        axes.set_xlabel("hour of the day")
        axes.set_xticks(np.arange(0, 24, 2), [f"{hour:02}" for hour in range(0, 24, 2)])
        axes.set_xlim(-0.6, 23.6)
        other = axes.twinx()
        closed = np.append(profile.g_per_kwh, profile.g_per_kwh[-1])
        other.step(edges, closed, where="post", color=ORANGE, linewidth=2, label="the grid's intensity")
        other.set_ylabel("g CO2e / kWh", color=ORANGE)
        other.tick_params(axis="y", colors=ORANGE)
        other.spines[["top", "left", "right"]].set_visible(False)
        if not np.isnan(profile.g_per_kwh).all():
            other.set_ylim(0, float(np.nanmax(profile.g_per_kwh)) * 1.3)
        _dressed(axes, other)

    return draw


def shares(rows: Sequence[tuple[str, Totals]]) -> Callable[[Any], None]:
    """Return the chart of who emitted how much; what is largest stands on top."""

    def draw(axes: Any) -> None:
        places = np.arange(len(rows))[::-1]
        emitted = np.array([item.emitted_g or 0.0 for _, item in rows])
        baseline = np.array([item.baseline_g or 0.0 for _, item in rows])
        scale, unit = _unit(float(max(emitted.max(initial=0.0), baseline.max(initial=0.0))))
        axes.barh(places, emitted / scale, color=BLUE, height=0.62, label="emitted")
        for place, value in zip(places, baseline / scale, strict=True):
            axes.plot([value, value], [place - 0.38, place + 0.38], color=DARK, linewidth=1.6)
        axes.plot([], [], color=DARK, linewidth=1.6, label="started at once")
        axes.set_yticks(places, [short(name) for name, _ in rows])
        axes.set_xlabel(f"{unit} CO2e")
        axes.set_ylim(-0.6, len(rows) - 0.4)
        _dressed(axes, grid="x")

    return draw


@contextmanager
def quiet() -> Iterator[None]:
    """Do not let matplotlib say of each letter that its font lacks it: a box in its place says so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        yield


def _name_months(axes: Any, rows: Sequence[Month]) -> None:
    """Write months below an axis, each year once; where there are too many, only some."""
    step = -(-len(rows) // 14) or 1
    shown = list(range(0, len(rows), step))
    labels, year = [], ""
    for place in shown:
        new, _, month = rows[place].name.partition("-")
        labels.append(MONTHS[int(month) - 1] + (f"\n{new}" if new != year else ""))
        year = new
    axes.set_xticks(shown, labels)


def short(name: str) -> str:
    """Return a name as long as there is room for it."""
    shown = cleaned(name)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}…"


def saved_words(item: Totals) -> str:
    """Write a saving with its percentage."""
    percent = "" if item.saved_percent is None else f" ({item.saved_percent:.1f} %)"
    return f"{grams_text(item.saved_g)}{percent}"


def _outlines(axes: Any, places: Any, values: Any, label: str) -> None:
    """Draw where bars would have ended."""
    for place, value in zip(places, values, strict=True):
        axes.plot([place - 0.4, place + 0.4], [value, value], color=DARK, linewidth=1.6)
    axes.plot([], [], color=DARK, linewidth=1.6, label=label)


def _unit(most: float) -> tuple[float, str]:
    return next(((size, unit) for size, unit in ((1e6, "t"), (1e3, "kg")) if most >= size), (1.0, "g"))


def _dressed(axes: Any, other: Any = None, grid: str = "y") -> None:
    """Give axes the look of all charts: legend above, a light grid, no box."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis=grid, alpha=0.3)
    axes.set_axisbelow(True)
    handles, labels = axes.get_legend_handles_labels()
    if other is not None:
        more = other.get_legend_handles_labels()
        handles, labels = handles + more[0], labels + more[1]
    axes.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0, 1.01),
        ncols=len(labels),
        frameon=False,
        fontsize="small",
        borderaxespad=0,
        handlelength=1.4,
    )
