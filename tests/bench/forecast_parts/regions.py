"""Forecasts beside what came: ours, the simple ones, and the shipped ones. 96 hours from midnight, UTC.

MAPE is the mean of |actual - forecast| / actual over all hours of all issues. A forecast sees nothing of the
hour of its issue or later. A job of 4 h that must be done within 24 h is released at every hour of the same
days.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.hourly import Hourly, hour_of
from carbonslurm.core.score import realised, score
from forecast_parts import data
from forecast_parts.issuing import issued

AHEAD = data.AHEAD
DAY = 24
LENGTH, WINDOW = 4, 24
FIRST, ISSUES = datetime(2021, 7, 1, tzinfo=UTC), 181
LEFT_OUT = "SE"  # its lifecycle figures do not follow from its own sources
OTHERS_STEP = 4  # days between the issues of other zones


def measure(folder: Path, retrain: int, *, hourly: bool) -> dict[str, Any]:
    """Score CarbonCast's regions on its 181 issues; with ``hourly``, what deciding by forecasts saves."""
    found = {}
    for zone in data.zones(folder / "carbon/carboncast"):
        history = data.history(folder / "carbon/carboncast", zone)
        issues = hour_of(FIRST) + DAY * np.arange(ISSUES)
        file = folder / f"forecasts/carboncast/{zone}-lifecycle-2021H2.csv.gz"
        found[zone] = _region(history, issues, retrain, data.shipped(file), hourly=hourly)
    return found


def measure_others(folder: Path, retrain: int) -> dict[str, Any]:
    """Score other zones: the last 181 days of each history, every fourth midnight."""
    found = {}
    for zone in data.zones(folder / "carbon/electricitymaps"):
        history = data.history(folder / "carbon/electricitymaps", zone)
        last = (history.after - AHEAD) // DAY * DAY
        issues = last - DAY * np.arange(0, ISSUES, OTHERS_STEP)[::-1]
        found[zone] = _region(history, issues, retrain, {}, hourly=False)
    return found


def _region(
    history: Hourly, issues: np.ndarray, retrain: int, shipped: Mapping[int, Floats], *, hourly: bool
) -> dict[str, Any]:
    releases = (issues[:, None] + np.arange(DAY if hourly else 1)).ravel()
    outlooks = {outlook.hours.first: outlook for outlook in issued(history, releases.tolist(), retrain * DAY)}
    actual = np.stack([history.between(hour, hour + AHEAD) for hour in issues])
    band = (
        np.stack([outlooks[hour].band.low for hour in issues]),
        np.stack([outlooks[hour].band.high for hour in issues]),
    )
    said = {name: np.stack([make(history, hour) for hour in issues]) for name, make in SIMPLE.items()}
    said["ours"] = np.stack([outlooks[hour].hours.values for hour in issues])
    if shipped:
        said["shipped"] = np.stack([shipped[hour] for hour in issues])
    found = {name: _scores(actual, values, band if name == "ours" else None) for name, values in said.items()}
    if hourly:
        found["ours"]["realised"] = _realised([outlook.hours for outlook in outlooks.values()], history)
        naive = [Hourly(int(hour), _seasonal_naive(history, hour)) for hour in releases]
        found["seasonal naive"]["realised"] = _realised(naive, history)
    return found


def _scores(actual: Floats, said: Floats, band: tuple[Floats, Floats] | None) -> dict[str, Any]:
    days = [slice(0, AHEAD), *(slice(first, first + DAY) for first in range(0, AHEAD, DAY))]
    found = [
        score(actual[:, day], said[:, day], (band[0][:, day], band[1][:, day]) if band else None)
        for day in days
    ]
    return {"all": asdict(found[0]), "days": [asdict(item) for item in found[1:]]}


def _realised(forecasts: list[Hourly], history: Hourly) -> dict[str, float | None]:
    found = realised(forecasts, history, LENGTH, WINDOW)
    if found is None:
        return {"share": None, "saved": None, "possible": None, "releases": 0}
    shown = {"share": found.share, "saved": found.saved, "possible": found.possible}
    return {**shown, "releases": found.releases}


def _last_value(history: Hourly, hour: int) -> Floats:
    return np.repeat(history.between(hour - 1, hour), AHEAD)


def _seasonal_naive(history: Hourly, hour: int) -> Floats:
    return np.tile(history.between(hour - DAY, hour), AHEAD // DAY)


SIMPLE = {"last value": _last_value, "seasonal naive": _seasonal_naive}
NAMES = ("last value", "seasonal naive", "shipped", "ours")


def table(found: Mapping[str, Any]) -> list[str]:
    """Show MAPE over 96 h and by day for each region and their mean; wMAPE, bias and band of ours."""
    lines = [f"MAPE %, {'96 h':>9} {'day 1':>6} {'2':>6} {'3':>6} {'4':>6}"]
    counted = [zone for zone in found if zone != LEFT_OUT]
    for zone in [*found, ""]:
        for name in NAMES:
            inside = [found[item][name] for item in (counted if not zone else [zone]) if name in found[item]]
            if inside:
                label = f"{zone or f'mean of {len(counted)}':<14} {name:<15}"
                lines.append(f"{label}{_row(inside)}{_more(inside) if name == 'ours' else ''}")
    if LEFT_OUT in found:
        lines.append(f"{LEFT_OUT} is left out of the mean.")
    return lines + _table_of_savings(found, counted)


def _row(items: list[dict[str, Any]]) -> str:
    columns = [[item["all"]["mape"], *(day["mape"] for day in item["days"])] for item in items]
    return "".join(f"{value:7.2f}" for value in np.mean(columns, axis=0))


def _more(items: list[dict[str, Any]]) -> str:
    wmape, bias, inside = (
        np.mean([item["all"][key] for item in items]) for key in ("wmape", "bias", "inside")
    )
    return f"   wMAPE {wmape:.2f} %, bias {bias:+.1f} g/kWh, in the band {inside * 100:.0f} %"


def _table_of_savings(found: Mapping[str, Any], counted: list[str]) -> list[str]:
    if not all("realised" in found[zone]["ours"] for zone in found):
        return []
    lines = [
        "",
        f"A job of {LENGTH} h done within {WINDOW} h, released every hour: share of the perfect saving",
    ]
    for zone in found:
        ours, naive = (found[zone][name]["realised"] for name in ("ours", "seasonal naive"))
        lines.append(
            f"{zone:<14} ours {ours['share'] * 100:5.1f} %   seasonal naive {naive['share'] * 100:5.1f} %"
            f"   perfect saving {ours['possible'] * 100:5.1f} %"
        )
    for title, made in (("mean of shares", _mean_of_shares), ("share of means", _share_of_means)):
        ours, naive = (
            made([found[zone][name]["realised"] for zone in counted]) for name in ("ours", "seasonal naive")
        )
        lines.append(f"{title:<14} ours {ours * 100:5.1f} %   seasonal naive {naive * 100:5.1f} %")
    return lines


def _mean_of_shares(items: list[dict[str, float]]) -> float:
    return float(np.mean([item["share"] for item in items]))


def _share_of_means(items: list[dict[str, float]]) -> float:
    return float(np.mean([item["saved"] for item in items]) / np.mean([item["possible"] for item in items]))
