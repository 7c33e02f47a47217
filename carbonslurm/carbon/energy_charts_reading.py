"""The answers of Energy-Charts, read: pure functions from bytes to steps and to a mix.

Arrays stand side by side, one of times and one for each quantity, in which null is a value that is not there.
Traps, each with a test: the steps' length is nowhere said and differs by country; measured values and
forecast overlap in some countries (Switzerland, by 13 hours); arrays of different lengths would shift all
values, and are refused; ``deprecated`` announces the end of a path.

The mix is of production within the country, with imports as one more kind where the balance of trade is one.
Its last rows are filled in one plant after the other: the newest complete one counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from carbonslurm.carbon import checks
from carbonslurm.core.forecast import Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.mix import Fuel, Mix
from carbonslurm.errors import DataError

NAME = "energy-charts"
Values = list[float | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What ``/co2eq`` says.

    Attributes:
        measured: in the order of the answer.
        forecast: likewise, flagged as estimates; may overlap the measured values.
        deprecated: whether the path is going to end.
    """

    measured: Sequence[Step]
    forecast: Sequence[Step]
    deprecated: bool


class _Intensities(msgspec.Struct):
    unix_seconds: list[int]
    co2eq: Values
    co2eq_forecast: Values
    deprecated: bool = False


class _Production(msgspec.Struct):
    name: str
    data: Values


class _Power(msgspec.Struct):
    unix_seconds: list[int]
    production_types: list[_Production]


def read(body: bytes) -> Answer:
    """Read measured values and forecast; a null stays out of either.

    Raises:
        DataError: the body is no answer of this API, or one of its values cannot be believed.
    """
    said = checks.decoded(body, _Intensities)
    for name, values in (("co2eq", said.co2eq), ("co2eq_forecast", said.co2eq_forecast)):
        _parallel(name, values, said.unix_seconds)
    intervals = _intervals(said.unix_seconds)
    return Answer(
        _steps("co2eq", intervals, said.co2eq, estimated=False),
        _steps("co2eq_forecast", intervals, said.co2eq_forecast, estimated=True),
        said.deprecated,
    )


def _parallel(name: str, values: Values, times: Sequence[int]) -> None:
    if len(values) != len(times):
        raise DataError(f"{name}: {len(values)} values for {len(times)} times")


def _intervals(times: Sequence[int]) -> list[Interval]:
    starts: list[datetime] = []
    for index, time in enumerate(times):
        with checks.about(f"unix_seconds[{index}]"):
            starts.append(checks.unix(time))
    if not starts:
        return []
    length = checks.spacing(starts)
    return [checks.interval(start, start + length) for start in starts]


def _steps(name: str, intervals: Sequence[Interval], values: Values, *, estimated: bool) -> list[Step]:
    steps: list[Step] = []
    for index, (interval, value) in enumerate(zip(intervals, values, strict=True)):
        if value is not None:
            with checks.about(f"{name}[{index}]"):
                steps.append(Step(interval, checks.intensity(value), estimated))
    return steps


# --- the mix

_TRADE = "Cross border electricity trading"
_FUELS: Mapping[str, Fuel] = {
    "Biomass": Fuel.BIOMASS,
    _TRADE: Fuel.IMPORTS,
    "Fossil brown coal / lignite": Fuel.COAL,
    "Fossil coal-derived gas": Fuel.COAL,
    "Fossil gas": Fuel.GAS,
    "Fossil hard coal": Fuel.COAL,
    "Fossil oil": Fuel.OIL,
    "Fossil oil shale": Fuel.OIL,
    "Fossil peat": Fuel.COAL,
    "Geothermal": Fuel.GEOTHERMAL,
    "Hydro Run-of-River": Fuel.HYDRO,
    "Hydro pumped storage": Fuel.STORAGE,
    "Hydro water reservoir": Fuel.HYDRO,
    "Marine": Fuel.OTHER,
    "Nuclear": Fuel.NUCLEAR,
    "Other renewables": Fuel.OTHER,
    "Others": Fuel.OTHER,
    "Solar": Fuel.SOLAR,
    "Waste": Fuel.OTHER,
    "Wind offshore": Fuel.WIND,
    "Wind onshore": Fuel.WIND,
}
# What stands among the production and is none. Pumping takes power, and its figures are below 0.
_NOT_PRODUCED = frozenset(
    {
        "Hydro pumped storage consumption",
        "Load",
        "Load (incl. self-consumption)",
        "Residual load",
        "Renewable share of generation",
        "Renewable share of load",
    }
)
_MOST_MEGAWATTS = 2e6  # all of Europe at its peak takes a third of it


def read_mix(body: bytes, zone: str, now: datetime) -> Mix:
    """Return the newest mix that is complete, in MW.

    Raises:
        DataError: the body is no answer of this API, has no complete mix of the past, or names a kind of
            production that is not known: left out, it would be missing from the whole.
    """
    said = checks.decoded(body, _Power)
    produced = [_known(each, said.unix_seconds) for each in said.production_types]
    present = [each for each in produced if any(value is not None for value in each.data)]
    intervals = _intervals(said.unix_seconds)
    complete = [
        index
        for index, interval in enumerate(intervals)
        if interval.end <= now and all(each.data[index] is not None for each in present)
    ]
    if not any(each.name not in _NOT_PRODUCED for each in present) or not complete:
        raise DataError("no complete mix in it")
    newest = max(complete, key=lambda index: intervals[index])
    return Mix.from_amounts(zone, NAME, intervals[newest], _megawatts(present, newest), megawatts=True)


def _known(each: _Production, times: Sequence[int]) -> _Production:
    name = checks.shown(each.name, 40)
    _parallel(name, each.data, times)
    if each.name not in _FUELS and each.name not in _NOT_PRODUCED:
        raise DataError(f'"{name}": a kind of production that is not known')
    return each


def _megawatts(present: Sequence[_Production], index: int) -> dict[Fuel, float]:
    amounts: dict[Fuel, float] = {}
    for each in present:
        fuel, value = _FUELS.get(each.name), each.data[index]
        if fuel is None or value is None:
            continue
        if not abs(value) <= _MOST_MEGAWATTS:
            raise DataError(f"{each.name}: {value:g} MW")
        amounts[fuel] = amounts.get(fuel, 0.0) + value
    return amounts
