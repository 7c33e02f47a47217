"""The answers of the Carbon Aware SDK's web API, read, and what its JSON files have in common with them.

Traps, each with a test:

- the place inside of a point is the name that the SDK's source has for it, not the one that was asked for;
  but all points of an answer have the same;
- with a window the values of a forecast are rolling means: points closer than they are long, refused;
- a length is minutes (``10``) or a .NET time span (``00:15:00``, ``1.00:00:00``, ``01:00``).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from carbonslurm.carbon import checks
from carbonslurm.core.forecast import Step
from carbonslurm.errors import DataError


@dataclass(frozen=True, slots=True)
class Made:
    """The steps of a forecast, flagged as estimates, and when it was made."""

    steps: Sequence[Step]
    generated_at: datetime


# --- the web API


class _ForecastPoint(msgspec.Struct):
    timestamp: str
    duration: float
    value: float | None
    location: str | None = None


class _Forecast(msgspec.Struct, rename="camel"):
    generated_at: str
    location: str
    forecast_data: list[_ForecastPoint]


class _Emission(msgspec.Struct):
    time: str
    rating: float | None
    duration: str | float
    location: str | None = None


def read_forecast(body: bytes, location: str) -> Made:
    """Return the one forecast in an answer about one location.

    Raises:
        DataError: the body is no answer of this API, or one of its values cannot be believed.
    """
    said = checks.decoded(body, list[_Forecast])
    if len(said) != 1 or said[0].location.casefold() != location.casefold():
        got = ", ".join(each.location for each in said[:5])
        raise DataError(f'asked for {checks.shown(location, 40)}, got "{checks.shown(got)}"')
    points = said[0].forecast_data
    _one_place(points)
    steps = []
    for index, point in enumerate(points):
        with checks.about(f"forecastData[{index}]"):
            start = checks.moment(point.timestamp)
            steps.append(_step(start, minutes(point.duration), checks.intensity(point.value), estimated=True))
    _refuse_rolling(steps)
    return Made(steps, checks.moment(said[0].generated_at))


def read_emissions(body: bytes, now: datetime) -> list[Step]:
    """Return the measured values of the steps that have ended; null is not measured (yet).

    Raises:
        DataError: the body is no answer of this API, or one of its values cannot be believed.
    """
    said = checks.decoded(body, list[_Emission])
    _one_place(said)
    steps = []
    for index, point in enumerate(said):
        with checks.about(f"[{index}]"):
            start, length = checks.moment(point.time), length_of(point.duration)
            if point.rating is not None:
                steps.append(_step(start, length, checks.intensity(point.rating), estimated=False))
    return [step for step in steps if step.interval.end <= now]


def _step(start: datetime, length: timedelta, value: float, *, estimated: bool) -> Step:
    return Step(checks.interval(start, start + length), value, estimated)


def _one_place(points: Sequence[_ForecastPoint] | Sequence[_Emission]) -> None:
    places = sorted({point.location for point in points if point.location is not None})
    if len(places) > 1:
        raise DataError(f"several places in one answer: {checks.shown(', '.join(places))}")


def _refuse_rolling(steps: Sequence[Step]) -> None:
    starts = {step.interval.start for step in steps}
    if len(starts) < checks.FEWEST_STEPS:
        return
    distance = checks.spacing(starts)
    for step in steps:
        if step.interval.length > distance:
            raise DataError(f"values over {step.interval.length}, {distance} apart: rolling means")


# --- lengths

_TIME_SPAN = re.compile(r"(-)?(?:(\d{1,2})\.)?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.0{1,7})?)?", re.ASCII)
_LONGEST_MINUTES = 1e6


def minutes(number: float) -> timedelta:
    """Return a length in minutes.

    Raises:
        DataError: it is absurd.
    """
    if not abs(number) <= _LONGEST_MINUTES:
        raise DataError(f"a length of {number:g} minutes")
    return timedelta(minutes=number)


def length_of(text: str | float) -> timedelta:
    """Return a length: a number of minutes, or a .NET time span, [days.]hours:minutes[:seconds].

    Raises:
        DataError: it is neither.
    """
    if not isinstance(text, str):
        return minutes(text)
    found = _TIME_SPAN.fullmatch(text.strip())
    if found is None:
        raise DataError(f'not a length: "{checks.shown(text, 40)}"')
    days, hours, minutes_, seconds = (int(part or 0) for part in found.groups()[1:])
    length = timedelta(days=days, hours=hours, minutes=minutes_, seconds=seconds)
    return -length if found[1] else length
