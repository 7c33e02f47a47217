"""What ``forecast show`` says of a zone: facts in words, a row a step, and all of it as an object."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from carbonslurm.cli.forecast.drawing import Curve, expected_from
from carbonslurm.core.interval import iso
from carbonslurm.formats.terminal import cleaned
from carbonslurm.formats.times import age_text, local_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carbonslurm.app.outlook import Outlook
    from carbonslurm.core.forecast import Step
    from carbonslurm.core.interval import Interval

HEADER = ["Start", "End", "g/kWh", "Low", "High", "What", "Source"]
RIGHT = frozenset({2, 3, 4})


class Row(NamedTuple):
    """One step; low and high are the forecast's band, None where there is none."""

    step: Step
    low: float | None
    high: float | None
    what: str
    source: str


def curve_of(look: Outlook) -> Curve:
    """Return what there is to draw."""
    return Curve(look.window, look.now, look.measured, look.issue)


def rows_of(look: Outlook) -> Iterator[Row]:
    """Yield the known steps of the window: the measured ones, then the forecast behind them."""
    window, since = look.window, expected_from(curve_of(look))
    if look.measured is not None:
        for step in look.measured.steps():
            if _meets(step.interval, window):
                what = "estimated" if step.estimated else "measured"
                yield Row(step, None, None, what, look.measured.source)
    if look.issue is None:
        return
    series, band = look.issue.series, look.issue.band
    known = [place for place, value in enumerate(series.values) if not math.isnan(value)]
    for place, step in zip(known, series.steps(), strict=True):
        if _meets(step.interval, window) and step.interval.end.timestamp() > since:
            low, high = (None, None) if band is None else (float(band.low[place]), float(band.high[place]))
            yield Row(step, low, high, "forecast", series.source)


def _meets(interval: Interval, window: Interval) -> bool:
    return interval.end > window.start and interval.start < window.end


def cells_of(row: Row) -> list[str]:
    """Return a row as the table has it."""
    step, low, high, what, source = row
    numbers = ["" if value is None else f"{value:.1f}" for value in (step.g_per_kwh, low, high)]
    return [local_text(step.interval.start), local_text(step.interval.end), *numbers, what, source]


def facts(look: Outlook) -> list[str]:
    """Return what a reader must know of the figures, in up to five lines."""
    lines = [f"{look.zone}: {look.nature}; times are local ({look.now.astimezone().strftime('%Z')})"]
    lines.append(f"now       {_now_text(look)}")
    if look.issue is not None:
        lines.append(f"forecast  {_issue_text(look)}")
        if look.issue.measured_until is not None:
            lines.append(f"made of   values up to {age_text(look.now - look.issue.measured_until)} ago")
    if look.others:
        lines.append(f"also      known as {' and '.join(map(str, look.others))}: not shown, never mixed")
    return [cleaned(line) for line in lines]


def _now_text(look: Outlook) -> str:
    current = look.current
    if current is None:
        return "unknown"
    how = "expected" if current.expected else "measured"
    ended = f" until {age_text(current.age)} ago" if current.age else ""
    return f"{current.step.g_per_kwh:.0f} g/kWh, {how} by {current.source}{ended}"


def _issue_text(look: Outlook) -> str:
    issue = look.issue
    if issue is None:
        return "none"
    how = "issued" if issue.generated_at else "read"
    band = f", band of {issue.band.share:.0%}" if issue.band else ""
    return (
        f"{issue.series.source}, {how} {age_text(look.now - issue.published)} ago, "
        f"to {local_text(issue.series.horizon)}{band}"
    )


def source_line(look: Outlook) -> str:
    """Return who said what is in a picture, for below it."""
    parts = [str(look.nature)]
    if look.measured is not None:
        parts.append(f"measured by {look.measured.source}")
    if look.issue is not None:
        parts.append(f"forecast of {look.issue.series.source}, {local_text(look.issue.published)}")
    return "; ".join(parts)


def as_json(look: Outlook) -> str:
    """Write all of it as an object; times in UTC."""
    issue, current = look.issue, look.current
    found: dict[str, Any] = {
        "zone": look.zone,
        "kind": look.nature.kind if look.nature else None,
        "scope": look.nature.scope if look.nature else None,
        "at": iso(look.now),
        "start": iso(look.window.start),
        "end": iso(look.window.end),
        "g_per_kwh_now": current.step.g_per_kwh if current else None,
        "now_is": None if current is None else "expected" if current.expected else "measured",
        "now_age_s": current.age.total_seconds() if current else None,
        "trouble": look.trouble,
        "forecast": None,
        "also_known_as": [{"kind": each.kind, "scope": each.scope} for each in look.others],
        "steps": [_object(row) for row in rows_of(look)],
    }
    if issue is not None:
        found["forecast"] = {
            "source": issue.series.source,
            "generated": _iso(issue.generated_at),
            "fetched": iso(issue.fetched_at),
            "age_s": (look.now - issue.published).total_seconds(),
            "measured_until": _iso(issue.measured_until),
            "horizon": iso(issue.series.horizon),
            "band": issue.band.share if issue.band else None,
        }
    return json.dumps(found, indent=1)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


def _object(row: Row) -> dict[str, Any]:
    step, low, high, what, source = row
    return {
        "start": _iso(step.interval.start),
        "end": _iso(step.interval.end),
        "g_per_kwh": step.g_per_kwh,
        "low": low,
        "high": high,
        "what": what,
        "source": source,
    }
