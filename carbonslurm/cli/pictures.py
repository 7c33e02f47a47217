"""Pictures as files: a zone's curve, and the heat map of a week. PNG or SVG, by the name of the file.

matplotlib is an extra, imported only here, and without pyplot: nothing of it stays behind in the process. The
size is fixed, and a picture of the same figures is the same file. Colours are Okabe and Ito's, which
colour-blind eyes tell apart.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from carbonslurm.core.interval import from_epoch
from carbonslurm.errors import RefusedError, UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbonslurm.cli.forecast.drawing import Curve
    from carbonslurm.core.forecast import Floats
    from carbonslurm.core.patterns import Patterns

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#7f7f7f"
WIDE = (10.0, 4.5)  # inches
TALL = (10.0, 7.0)
DPI = 120
FORMATS = (".png", ".svg")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NIGHT = (22, 6)  # local hours that are shaded


def checked(path: Path) -> Path:
    """Return the path, before anything is worked out for it.

    Raises:
        UsageError: its name says no format that we draw.
        UnavailableError: matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"--plot: expected a file that ends in .png or .svg, got {path.name}")
    try:
        import_module("matplotlib")
    except ImportError as error:
        raise UnavailableError("--plot needs matplotlib: pip install 'carbonslurm[plot]'") from error
    return path


def tell(path: Path, *, beside: bool) -> None:
    """Say that a picture is written: on stderr where something else is printed beside it."""
    import click

    from carbonslurm.cli.program import say

    if beside:
        say(f"{path}: written", "carbonslurm")
    else:
        click.echo(f"{path}: written")


def save_curve(path: Path, curve: Curve, title: str, source: str) -> None:
    """Write a zone's curve: measured, expected with its band, now, nights shaded.

    Args:
        path: where to.
        curve: what to draw.
        title: above it.
        source: who said so, kind and scope, below it.

    Raises:
        RefusedError: the file cannot be written.
    """
    figure, axes = _sheet(WIDE)
    start, end = curve.window.start.timestamp(), curve.window.end.timestamp()
    for left, right in nights(start, end):
        axes.axvspan(left, right, color="black", alpha=0.05, linewidth=0)
    if curve.measured is not None:
        _steps(axes, curve.measured.edges, curve.measured.values, BLUE, "measured")
    _draw_expected(axes, curve)
    if start <= curve.now.timestamp() < end:
        axes.axvline(curve.now.timestamp(), color=GREY, linewidth=1, linestyle="--", label="now")
    _time_axis(axes, curve)
    axes.set_ylabel("g CO2e / kWh")
    axes.set_title(title, loc="left")
    axes.legend(loc="upper right", frameon=False, ncols=4, fontsize="small")
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top + 0.12 * (top - bottom))  # room for the legend
    _signed(figure, f"{source}; grey: night, 22:00 to 06:00")
    _write(figure, path)


def _draw_expected(axes: Any, curve: Curve) -> None:
    """Draw the forecast and its band from where the measured values end."""
    from carbonslurm.cli.forecast.drawing import expected_from

    if curve.issue is None:
        return
    series, band, since = curve.issue.series, curve.issue.band, expected_from(curve)
    shown = series.edges[1:] > since
    if not shown.any():
        return
    edges = np.append(np.maximum(series.edges[:-1][shown], since), series.edges[-1])
    if band is not None:
        low, high = _closed(band.low[shown]), _closed(band.high[shown])
        label = f"{band.share:.0%} band"
        axes.fill_between(edges, low, high, step="post", color=ORANGE, alpha=0.2, linewidth=0, label=label)
    _steps(axes, edges, series.values[shown], ORANGE, "forecast")


def save_patterns(path: Path, found: Patterns, title: str, source: str, clocks: str) -> None:
    """Write a heat map of weekday and hour, and below it bars of the months.

    Args:
        path: where to.
        found: what to draw.
        title: above it.
        source: who measured it, kind and scope, below it.
        clocks: the name of the time zone by which hours count.

    Raises:
        RefusedError: the file cannot be written.
    """
    figure = _figure(TALL)
    above, below = figure.subplots(2, 1, height_ratios=(3, 2))
    image = above.imshow(found.by_weekday_and_hour, aspect="auto", cmap="cividis", interpolation="nearest")
    above.set_yticks(range(7), WEEKDAYS)
    above.set_xticks(range(0, 24, 2), [f"{hour:02}" for hour in range(0, 24, 2)])
    above.set_xlabel(f"hour of the day, local time ({clocks})")
    above.set_title(title, loc="left")
    figure.colorbar(image, ax=above, label="g CO2e / kWh", pad=0.01)
    below.bar(range(12), found.by_month, color=BLUE, width=0.7)
    below.set_xticks(range(12), MONTHS)
    below.set_xlim(-0.6, 11.6)
    below.set_ylabel("mean g CO2e / kWh")
    below.spines[["top", "right"]].set_visible(False)
    _signed(figure, source)
    _write(figure, path)


def nights(start: float, end: float) -> list[tuple[float, float]]:
    """Return the nights between two moments, 22:00 to 06:00 by the machine's clocks, in Unix seconds."""
    quarters = np.arange(-(-start // 900) * 900, end, 900)
    hours = np.array([from_epoch(float(moment)).astimezone().hour for moment in quarters])
    dark = (hours >= _NIGHT[0]) | (hours < _NIGHT[1])
    edges = np.flatnonzero(np.diff(np.concatenate(([False], dark, [False])).astype(int)))
    return [
        (float(quarters[left]), float(quarters[right]) if right < len(quarters) else end)
        for left, right in zip(edges[::2], edges[1::2], strict=True)
    ]


def _closed(values: Floats) -> Floats:
    """Return the values with the last one twice, as steps are drawn to their last edge."""
    return np.append(values, values[-1])


def _steps(axes: Any, edges: Floats, values: Floats, colour: str, label: str) -> None:
    axes.step(edges, _closed(values), where="post", color=colour, linewidth=1.6, label=label)


def _figure(size: tuple[float, float]) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=size, dpi=DPI, layout="constrained")


def _sheet(size: tuple[float, float]) -> tuple[Any, Any]:
    figure = _figure(size)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis="y", alpha=0.3)
    return figure, axes


def _time_axis(axes: Any, curve: Curve) -> None:
    from carbonslurm.cli.forecast.drawing import time_ticks

    ticks: Sequence[tuple[float, str]] = time_ticks(curve.window, 14)
    axes.set_xticks([moment for moment, _ in ticks], [label for _, label in ticks])
    axes.set_xlim(curve.window.start.timestamp(), curve.window.end.timestamp())
    axes.set_xlabel(f"local time ({curve.now.astimezone().strftime('%Z')})")


def _signed(figure: Any, source: str) -> None:
    figure.supxlabel(source, fontsize="small", color=GREY, x=0.01, ha="left")


def _write(figure: Any, path: Path) -> None:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    form = path.suffix.lower().removeprefix(".")
    FigureCanvasAgg(figure) if form == "png" else FigureCanvasSVG(figure)
    # Without a date and with a fixed salt for its ids, so that the same figures make the same file.
    with rc_context({"svg.hashsalt": "carbonslurm"}):
        try:
            figure.savefig(path, format=form, metadata={"Date": None} if form == "svg" else None)
        except OSError as error:
            raise RefusedError(f"{path}: {error.strerror}") from error
