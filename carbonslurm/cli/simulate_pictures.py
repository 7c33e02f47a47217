"""The picture of ``carbonslurm simulate``: intensity and load over time, waits, and savings by policy.

matplotlib is the extra ``plot``, imported only here, without pyplot: nothing of it stays behind. Colours are
Okabe and Ito's, which colour-blind eyes tell apart.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from carbonslurm.errors import RefusedError, UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from carbonslurm.core.forecast import Floats
    from carbonslurm.sim.comparison import Run, Setting

COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#D55E00", "#0072B2", "#CC79A7", "#F0E442")
GREYS = ("#7f7f7f", "#000000", "#bfbfbf")  # of zones
DASHES = ("-", "--", ":")  # the second and third round through the colours
SIZE = (11.0, 10.0)  # inches
DPI = 120
FORMATS = (".png", ".svg")
HOUR = 3600.0
BASES = ("history", "no-wait")  # what the others are held against
MOST_LOADS = 5  # more lines over each other cannot be told apart


def checked(path: Path) -> None:
    """See that a picture can be drawn, before anything is worked out for it.

    Raises:
        UsageError: its name says no format that we draw.
        RefusedError: there is no such folder.
        UnavailableError: matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"--plot: expected a file that ends in .png or .svg, got {path.name}")
    if not path.parent.is_dir():
        raise RefusedError(f"{path}: there is no folder {path.parent}")
    if find_spec("matplotlib") is None:
        raise UnavailableError("--plot needs matplotlib: pip install 'carbonslurm[plot]'")


def draw(path: Path, setting: Setting, runs: Sequence[Run]) -> None:
    """Write the picture.

    Args:
        path: where to.
        setting: the work.
        runs: of the policies, one at least.

    Raises:
        RefusedError: the file cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "carbonslurm", "font.size": 9}):
        figure = Figure(figsize=SIZE, layout="constrained")
        top, middle, bottom = figure.subplots(3, 1, height_ratios=(1, 2, 2))
        middle.sharex(top)
        left, right = bottom.get_subplotspec().subgridspec(1, 2).subplots()
        bottom.remove()
        _intensity(top, setting, runs)
        _load(middle, setting, runs)
        _dated(middle)
        _waits(left, setting, runs)
        _savings(right, runs)
        figure.legend(handles=left.lines, loc="outside right upper", fontsize=8)
        try:
            figure.savefig(path, dpi=DPI, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
        except OSError as error:
            raise RefusedError(f"{path}: {error.strerror or error}") from error


def _style(index: int) -> dict[str, Any]:
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[index // len(COLOURS) % len(DASHES)],
        "linewidth": 1.2,
    }


def _span(setting: Setting, runs: Sequence[Run]) -> tuple[float, float]:
    return float(setting.trace.arrival.min()), max(float(run.outcome.end.max()) for run in runs)


def _dated(axes: Any) -> None:
    dates: Any = import_module("matplotlib.dates")  # untyped
    locator = dates.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))


def _dates(moments: Floats) -> npt.NDArray[np.datetime64]:
    return (moments * 1000).astype("datetime64[ms]")


def _intensity(axes: Any, setting: Setting, runs: Sequence[Run]) -> None:
    start, end = _span(setting, runs)
    for zone, grey in zip(setting.zones, GREYS * len(setting.zones), strict=False):
        edges, values = zone.truth.edges, zone.truth.values
        shown = (edges[1:] > start) & (edges[:-1] < end)
        axes.stairs(
            values[shown],
            _dates(np.append(edges[:-1][shown], edges[1:][shown][-1:])),
            baseline=None,  # else it falls to nought at both ends
            color=grey,
            label=zone.name,
        )
    if len(setting.zones) > 1:
        axes.legend(fontsize=8)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("g/kWh")
    axes.set_title("Intensity")


def shown_loads(runs: Sequence[Run]) -> list[int]:
    """Return whose load is drawn, as places in runs: what was, no-wait's, and theirs that save the most."""
    saved = [-np.inf if run.row.saved_percent is None else run.row.saved_percent for run in runs]
    order = sorted(
        range(len(runs)),
        key=lambda place: (runs[place].row.policy not in BASES, -saved[place]),
    )
    return sorted(order[:MOST_LOADS])


def _load(axes: Any, setting: Setting, runs: Sequence[Run]) -> None:
    shown = shown_loads(runs)
    for index in shown:
        moments, units = load(setting, runs[index])
        axes.step(_dates(moments), units, where="post", **_style(index), alpha=0.8)
    if np.isfinite(setting.units):
        axes.axhline(setting.units, color="#7f7f7f", linewidth=0.8)
    axes.set_xlim(*_dates(np.array(_span(setting, runs))))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("units busy")
    axes.set_xlabel("UTC")
    axes.set_title(f"Load{_which([runs[index].row.policy for index in shown], len(runs))}")


def _which(names: Sequence[str], of: int) -> str:
    """Name the policies that are drawn, where some are not."""
    if len(names) == of:
        return ""
    first = " and ".join([*(name for name in names if name in BASES), "those"])
    return f" of {first} that save the most: {', '.join(names)}"


def load(setting: Setting, run: Run) -> tuple[Floats, Floats]:
    """Return the moments at which the number of busy units changes, and the number from each on."""
    outcome = run.outcome
    units = setting.trace.units[outcome.run_job]
    moments = np.concatenate((outcome.run_start, outcome.run_end))
    changes = np.concatenate((units, -units))
    distinct, which = np.unique(moments, return_inverse=True)
    return distinct, np.cumsum(np.bincount(which, changes, minlength=len(distinct)))


def _waits(axes: Any, setting: Setting, runs: Sequence[Run]) -> None:
    share = np.arange(1, len(setting.trace) + 1) / len(setting.trace) * 100
    for index, run in enumerate(runs):
        waits = (run.outcome.end - setting.trace.arrival - setting.trace.length) / HOUR
        axes.step(np.sort(waits), share, where="post", label=run.row.policy, **_style(index))
    axes.set_xlabel("wait, h")
    axes.set_ylabel("% of jobs that wait no longer")
    axes.set_title("Waits")


def _savings(axes: Any, runs: Sequence[Run]) -> None:
    known = [(run.row.policy, run.row.saved_percent, index) for index, run in enumerate(runs)]
    shown = [(name, saved, index) for name, saved, index in known if saved is not None]
    places = np.arange(len(shown))[::-1]
    axes.barh(
        places,
        [saved for _, saved, _ in shown],
        color=[COLOURS[index % len(COLOURS)] for *_, index in shown],
    )
    axes.set_yticks(places, [name for name, *_ in shown])
    axes.set_xlabel("% saved against starting at arrival")
    axes.set_title("Savings")
