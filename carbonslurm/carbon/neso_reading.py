"""The answers of the GB operator's API, read: pure functions from bytes to steps and to a mix.

Traps, each with a test: an error comes with HTTP 200 and an ``error`` key; a region's ``data`` is an object
or a list of one; a measured value of a half hour that has not ended is provisional and is left out; GB as a
whole never reaches 0 g/kWh (biomass and imports count), so a national 0 is an outage, while North Scotland
has real zeros.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import msgspec

from carbonslurm.carbon import checks
from carbonslurm.core.forecast import Step
from carbonslurm.core.interval import iso
from carbonslurm.core.mix import Fuel, Mix
from carbonslurm.errors import DataError

NAME = "neso"
OLDEST_MIX = timedelta(hours=1)
Place = int | str | None  # a region's number, a postcode's outward half, or GB as a whole
Row = TypeVar("Row")
Data = TypeVar("Data")


class _Intensity(msgspec.Struct):
    forecast: float | None = None
    actual: float | None = None


class _Share(msgspec.Struct):
    fuel: str
    perc: float


class _Item(msgspec.Struct):
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    intensity: _Intensity


class _Generation(msgspec.Struct):
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    generationmix: list[_Share]


class _Region(msgspec.Struct, Generic[Row]):
    regionid: int
    data: list[Row]
    postcode: str | None = None


class _Fault(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Answer(msgspec.Struct, Generic[Data]):
    data: Data | None = None
    error: _Fault | None = None


def _data(body: bytes, shape: type[_Answer[Data]]) -> Data:
    answer = checks.decoded(body, shape)
    if answer.error is not None:
        raise DataError(f"an error: {checks.shown(f'{answer.error.code}: {answer.error.message}', 120)}")
    if answer.data is None:
        raise DataError("no data in it")
    return answer.data


def _items(body: bytes, place: Place) -> list[_Item]:
    if place is None:
        return _data(body, _Answer[list[_Item]])
    return _region(_data(body, _Answer[_Region[_Item] | list[_Region[_Item]]]), place)


def _region(data: _Region[Row] | list[_Region[Row]], place: int | str) -> list[Row]:
    """Return what is said of the place that was asked for, be the answer one region or a list of one."""
    regions = data if isinstance(data, list) else [data]
    if isinstance(place, str):
        found = [each for each in regions if each.postcode is None or each.postcode.upper() == place]
        said: list[object] = [each.postcode for each in regions]
    else:
        found = [each for each in regions if each.regionid == place]
        said = [each.regionid for each in regions]
    if len(found) != 1:
        what = "postcode" if isinstance(place, str) else "region"
        raise DataError(f"asked for {what} {place}, got {checks.shown(str(said[:20]))}")
    return found[0].data


def _step(item: _Item, value: float | None, *, estimated: bool, zero: bool) -> Step:
    """Make a step; ``zero`` is whether this place can have 0 g/kWh."""
    interval = checks.interval(checks.moment(item.start), checks.moment(item.end))
    g_per_kwh = checks.intensity(value)
    if g_per_kwh == 0 and not zero:
        raise DataError("0 g/kWh for all of GB: an outage, not a grid")
    return Step(interval, g_per_kwh, estimated)


def read_forecast(body: bytes, place: Place) -> list[Step]:
    """Return the steps of a forecast, flagged as estimates.

    Raises:
        DataError: the body is no answer of this API, or one of its values cannot be believed.
    """
    return [
        _located(index, item, item.intensity.forecast, estimated=True, zero=place is not None)
        for index, item in enumerate(_items(body, place))
    ]


def read_measured(body: bytes, now: datetime) -> list[Step]:
    """Return the measured national values of the half hours that have ended; null is not measured (yet).

    Raises:
        DataError: the body is no answer of this API, or one of its values cannot be believed.
    """
    steps = [
        _located(index, item, item.intensity.actual, estimated=False, zero=False)
        for index, item in enumerate(_items(body, None))
        if item.intensity.actual is not None
    ]
    return [step for step in steps if step.interval.end <= now]


def _located(index: int, item: _Item, value: float | None, *, estimated: bool, zero: bool) -> Step:
    with checks.about(f"data[{index}]"):
        return _step(item, value, estimated=estimated, zero=zero)


# --- the mix

_FUELS: Mapping[str, Fuel] = {
    "biomass": Fuel.BIOMASS,
    "coal": Fuel.COAL,
    "gas": Fuel.GAS,
    "hydro": Fuel.HYDRO,
    "imports": Fuel.IMPORTS,
    "nuclear": Fuel.NUCLEAR,
    "other": Fuel.OTHER,
    "solar": Fuel.SOLAR,
    "wind": Fuel.WIND,
}
_ROUNDING = 2.0  # percent: nine shares, each rounded to a tenth


def read_mix(body: bytes, place: Place, zone: str, now: datetime) -> Mix:
    """Return of what the running half hour's electricity is made; shares only, imports as one of them.

    Raises:
        DataError: the body is no answer of this API, of another time, or its shares are not those of a whole.
    """
    if place is None:
        said = _data(body, _Answer[_Generation | list[_Generation]])
        rows = said if isinstance(said, list) else [said]
    else:
        rows = _region(_data(body, _Answer[_Region[_Generation] | list[_Region[_Generation]]]), place)
    if len(rows) != 1:
        raise DataError(f"asked for the mix of now, got {len(rows)} of them")
    interval = checks.interval(checks.moment(rows[0].start), checks.moment(rows[0].end))
    if not interval.start - OLDEST_MIX <= now <= interval.end + OLDEST_MIX:
        raise DataError(f"the mix of {iso(interval.start)}, asked at {iso(now)}: not an answer to that")
    return Mix.from_amounts(zone, NAME, interval, _percents(rows[0].generationmix), megawatts=False)


def _percents(shares: Sequence[_Share]) -> dict[Fuel, float]:
    amounts: dict[Fuel, float] = {}
    for share in shares:
        fuel = _FUELS.get(share.fuel)
        if fuel is None or fuel in amounts:
            what = "twice" if fuel else "unknown"
            raise DataError(f'generationmix: "{checks.shown(share.fuel, 40)}": a fuel that is {what}')
        if not 0 <= share.perc <= 100:
            raise DataError(f"generationmix: {fuel}: {share.perc:g} percent")
        amounts[fuel] = share.perc
    if abs(sum(amounts.values()) - 100) > _ROUNDING:
        raise DataError(f"generationmix: {sum(amounts.values()):g} percent in all")
    return amounts
