"""What EIA-930 says of the hours of one balancing area: the reading, and which hours are believed.

Rows are net generation in MWh by fuel and hour. A period names the *end* of its hour, in UTC. Values are
numbers, numbers in quotes, or null; below 0 is a plant's own use, or storage that charges.

The newest hours come in piece by piece, fuel by fuel, and a mix without its gas is a clean one. So an hour is
unknown rather than wrong where

- a fuel is missing or null that makes ``MAIN`` (5 %) or more of the generation at that hour of any other day
  of the answer, which lets solar be missing at night; of any hour, where there is no such day;
- more than ``UNNAMED_LIMIT`` (10 %) of it has no name;
- more than 5 % of it is below 0, storage aside;
- it is more than ten times the median hour: a slip of the pen.

Everything else that does not fit refuses the answer whole.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import msgspec

from carbonslurm.carbon import checks
from carbonslurm.core.forecast import Scope, Step
from carbonslurm.core.interval import Interval, iso
from carbonslurm.core.mix import Fuel, intensity
from carbonslurm.errors import DataError

HOUR = timedelta(hours=1)
MAIN = 0.05
SPIKE = 10
FEWEST_FOR_SPIKES = 24  # hours, to know what is usual
LARGEST_MWH = 1_000_000.0  # of one fuel in an hour; all of the US makes less

# EIA's codes, and the words that some answers have in their place. A code that is not here is Fuel.OTHER.
FUELS = {
    "BAT": Fuel.STORAGE,
    "COL": Fuel.COAL,
    "COAL": Fuel.COAL,
    "GEO": Fuel.GEOTHERMAL,
    "NG": Fuel.GAS,
    "NUC": Fuel.NUCLEAR,
    "OES": Fuel.STORAGE,
    "OIL": Fuel.OIL,
    "OTH": Fuel.OTHER,
    "PS": Fuel.STORAGE,
    "SNB": Fuel.SOLAR,  # with a battery on its site
    "SUN": Fuel.SOLAR,
    "UES": Fuel.STORAGE,
    "UNK": Fuel.OTHER,
    "WAT": Fuel.HYDRO,
    "WNB": Fuel.WIND,  # likewise
    "WND": Fuel.WIND,
    "WIND": Fuel.WIND,
}
PERIOD = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}", re.ASCII)
NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,12})?", re.ASCII)

Hours = Mapping[datetime, Mapping[str, float | None]]  # end of an hour -> MWh by EIA's code


class _Row(msgspec.Struct):
    period: str
    respondent: str
    fueltype: str
    value: float | str | None = None
    units: str | None = msgspec.field(name="value-units", default=None)


class _Response(msgspec.Struct):
    total: int | str
    data: list[_Row]
    frequency: str | None = None


class _Answer(msgspec.Struct):
    response: _Response | None = None
    error: Any = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an answer.

    Attributes:
        rows: end of the hour, EIA's code of the fuel, MWh (None where it is not known).
        total: rows of all pages together.
    """

    rows: Sequence[tuple[datetime, str, float | None]]
    total: int


def read_page(body: bytes, area: str, first: int = 0) -> Page:
    """Return the rows of a page.

    Args:
        body: the answer.
        area: the balancing area, which all rows must be of.
        first: how many rows were on the pages before, for messages.

    Raises:
        DataError: the body is no answer to this question, or a value in it cannot be.
    """
    answer = checks.decoded(body, _Answer)
    if answer.response is None:
        said = checks.shown(str(answer.error), 120)
        raise DataError("no data in it" if answer.error is None else f"an error: {said}")
    response = answer.response
    if response.frequency not in {None, "hourly"}:
        raise DataError(f"asked for hours, got {checks.shown(str(response.frequency))}")
    rows = [_row(first + index, row, area) for index, row in enumerate(response.data)]
    return Page(rows, int(_number(response.total) or 0))


def _row(index: int, row: _Row, area: str) -> tuple[datetime, str, float | None]:
    with checks.about(f"data[{index}]"):
        if row.respondent != area:
            raise DataError(f"asked for {area}, got {checks.shown(row.respondent)}")
        if row.units not in {None, "megawatthours"}:
            raise DataError(f"expected megawatthours, got {checks.shown(str(row.units))}")
        if not PERIOD.fullmatch(row.period):
            raise DataError(f'not an hour: "{checks.shown(row.period, 40)}"')
        return checks.moment(f"{row.period}:00Z"), row.fueltype, _number(row.value)


def _number(value: float | str | None) -> float | None:
    if value is None:
        return None
    if isinstance(value, str) and not NUMBER.fullmatch(value.strip()):
        raise DataError(f'not a number: "{checks.shown(value, 40)}"')
    number = float(value)
    if not -LARGEST_MWH <= number <= LARGEST_MWH:
        raise DataError(f"{number:g} is outside of {LARGEST_MWH:g}")
    return number


def by_hour(rows: Iterable[tuple[datetime, str, float | None]]) -> Hours:
    """Return the rows by hour and code; the same one twice is taken once.

    Raises:
        DataError: two values for one fuel and hour.
    """
    hours: dict[datetime, dict[str, float | None]] = {}
    for end, code, value in rows:
        said = hours.setdefault(end, {})
        if said.setdefault(code, value) != value:
            raise DataError(f"two values for {checks.shown(code, 20)} in the hour to {iso(end)}")
    return hours


def believed(hours: Hours) -> dict[datetime, dict[Fuel, float]]:
    """Return the hours that can be believed: end -> MWh by fuel, own use and charging as below 0."""
    main = _main_fuels(hours)
    totals = [total for total in map(_made, hours.values()) if total > 0]
    most = SPIKE * median(totals) if len(totals) >= FEWEST_FOR_SPIKES else float("inf")
    found: dict[datetime, dict[Fuel, float]] = {}
    for end, said in sorted(hours.items()):
        is_whole = all(said.get(code) is not None for code in main(end))
        if is_whole and 0 < _made(said) <= most and _is_mostly_made(said):
            amounts: dict[Fuel, float] = {}
            for code, value in said.items():
                fuel = FUELS.get(code, Fuel.OTHER)
                amounts[fuel] = amounts.get(fuel, 0.0) + (value or 0.0)
            found[end] = amounts
    return found


def _generation(said: Mapping[str, float | None]) -> dict[str, float]:
    """Return what is known of an hour, storage aside."""
    return {
        code: value
        for code, value in said.items()
        if value is not None and FUELS.get(code) is not Fuel.STORAGE
    }


def _made(said: Mapping[str, float | None]) -> float:
    return sum(value for value in _generation(said).values() if value > 0)


def _main_fuels(hours: Hours) -> Callable[[datetime], set[str]]:
    """Return what tells an hour's main fuels by their largest shares in the hours to compare it with."""
    shares: dict[int, list[dict[str, float]]] = {}
    for end, said in hours.items():
        total = _made(said)
        made = {code: value / total for code, value in _generation(said).items()} if total > 0 else {}
        shares.setdefault(end.hour, []).append(made)
    main = {hour: _main(days) for hour, days in shares.items() if len(days) > 1}
    ever = _main(made for days in shares.values() for made in days)
    return lambda end: main.get(end.hour, ever)


def _main(hours: Iterable[Mapping[str, float]]) -> set[str]:
    return {code for made in hours for code, share in made.items() if share >= MAIN}


def _is_mostly_made(said: Mapping[str, float | None]) -> bool:
    below = -sum(value for value in _generation(said).values() if value < 0)
    return below <= MAIN * _made(said)


def steps(hours: Mapping[datetime, Mapping[Fuel, float]], scope: Scope) -> list[Step]:
    """Return the intensities of hours, without those of which too much has no name."""
    known = ((end, intensity(amounts, scope)) for end, amounts in hours.items())
    return [
        Step(Interval(end - HOUR, end), checks.intensity(value)) for end, value in known if value is not None
    ]
