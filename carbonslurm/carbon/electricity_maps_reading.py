"""What Electricity Maps answers: the readings of its intensities and of its mix, in the shapes of v4 and v3.

Intensities come as ``forecast``, ``history`` or ``data``, each a list of hours. The mix is v4's
electricity-mix or v3's power-breakdown, of which it is the breakdown of consumption: imports are traced to
their fuels, as they are in the intensities. v4 has storage as a pair of charge and discharge, and ``flows``
beside the fuels, which are left out for the same reason. What discharges counts as storage; what charges,
like any amount below 0, is left out.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from carbonslurm.carbon import checks
from carbonslurm.core.forecast import Scope, Step
from carbonslurm.core.mix import Fuel, Mix
from carbonslurm.errors import DataError

HOUR = timedelta(hours=1)
FUELS = {
    "biomass": Fuel.BIOMASS,
    "coal": Fuel.COAL,
    "gas": Fuel.GAS,
    "geothermal": Fuel.GEOTHERMAL,
    "hydro": Fuel.HYDRO,
    "nuclear": Fuel.NUCLEAR,
    "oil": Fuel.OIL,
    "solar": Fuel.SOLAR,
    "wind": Fuel.WIND,
    "hydro discharge": Fuel.STORAGE,
    "battery discharge": Fuel.STORAGE,
    "hydro storage": Fuel.STORAGE,
    "battery storage": Fuel.STORAGE,
}
NOT_FUELS = {"flows", "hydro charge", "battery charge"}

Amounts = dict[str, float | dict[str, Any] | None]


Shape = TypeVar("Shape")


# --- intensities


class _Row(msgspec.Struct):
    at: str = msgspec.field(name="datetime")
    value: float | None = msgspec.field(name="carbonIntensity", default=None)
    is_estimated: bool | None = msgspec.field(name="isEstimated", default=None)
    method: str | None = msgspec.field(name="estimationMethod", default=None)
    factors: str | None = msgspec.field(name="emissionFactorType", default=None)


class _Answer(msgspec.Struct):
    zone: str | None = None
    forecast: list[_Row] | None = None
    history: list[_Row] | None = None
    data: list[_Row] | None = None
    updated: str | None = msgspec.field(name="updatedAt", default=None)
    granularity: str | None = msgspec.field(name="temporalGranularity", default=None)
    factors: str | None = msgspec.field(name="emissionFactorType", default=None)
    error: Any = None
    status: Any = None
    message: Any = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer says.

    Attributes:
        steps: hours, in the order of the answer.
        updated: when the provider last worked on it, None where it does not say.
    """

    steps: list[Step]
    updated: datetime | None


def _decoded(body: bytes, shape: type[Shape]) -> Shape:
    """Decode an answer that is not a sandbox's.

    Raises:
        DataError: it is one, or of another shape.
    """
    if b"sandbox" in body.lower():
        raise DataError("sandbox data: the values of a sandbox token are invented; get a real token")
    return checks.decoded(body, shape)


def read_intensities(body: bytes, area: str, scope: Scope, *, ahead: bool) -> Reading:
    """Return the hours of an answer.

    Args:
        body: the answer.
        area: the provider's name of the zone, which the answer must be about.
        scope: what was asked for, likewise.
        ahead: whether a forecast was asked for; in an answer about the past null is not known, and left out.

    Raises:
        DataError: the body is no answer to this question, or one of its values cannot be believed.
    """
    answer = _decoded(body, _Answer)
    rows = answer.forecast if ahead else answer.history if answer.history is not None else answer.data
    if rows is None:
        said = next((word for word in (answer.message, answer.error, answer.status) if word), "")
        raise DataError(f"no data in it: {checks.shown(str(said), 120)}" if said else "no data in it")
    if answer.zone != area:
        raise DataError(f"asked for zone {area}, got {checks.shown(str(answer.zone))}")
    if answer.granularity not in {None, "hourly"}:
        raise DataError(f"asked for hours, got {checks.shown(str(answer.granularity))}")
    name = "forecast" if ahead else "history" if answer.history is not None else "data"
    factors = answer.factors
    steps = [_step(f"{name}[{index}]", row, factors, scope, ahead=ahead) for index, row in enumerate(rows)]
    updated = None if answer.updated is None else checks.moment(answer.updated)
    return Reading([step for step in steps if step is not None], updated)


def _check_factors(said: set[str | None], scope: Scope) -> None:
    others = said - {None, scope.value}
    if others:
        raise DataError(f"asked for {scope} factors, got {checks.shown(str(others.pop()))}")


def _step(place: str, row: _Row, factors: str | None, scope: Scope, *, ahead: bool) -> Step | None:
    try:
        _check_factors({factors, row.factors}, scope)
        start = checks.moment(row.at)
        if row.value is None and not ahead:
            return None
        estimated = ahead or bool(row.is_estimated) or row.method is not None
        return Step(checks.interval(start, start + HOUR), checks.intensity(row.value), estimated)
    except DataError as error:
        raise DataError(f"{place}: {error}") from error


# --- the mix


class _MixRow(msgspec.Struct):
    at: str = msgspec.field(name="datetime")
    mix: Amounts


class _MixAnswer(msgspec.Struct):
    zone: str | None = None
    at: str | None = msgspec.field(name="datetime", default=None)
    mix: Amounts | None = None
    data: list[_MixRow] | None = None
    consumed: Amounts | None = msgspec.field(name="powerConsumptionBreakdown", default=None)


def read_mix(body: bytes, area: str, zone: str, source: str) -> Mix:
    """Return the newest mix of an answer.

    Args:
        body: the answer.
        area: the provider's name of the zone, which the answer must be about.
        zone: the site's.
        source: who is named in the mix.

    Raises:
        DataError: the body is no mix of this zone, or nothing in it is above 0.
    """
    answer = _decoded(body, _MixAnswer)
    if answer.zone != area:
        raise DataError(f"asked for zone {area}, got {checks.shown(str(answer.zone))}")
    amounts = answer.mix or answer.consumed
    rows = [(answer.at, amounts)] if answer.at and amounts else []
    rows += [(row.at, row.mix) for row in answer.data or []]
    if not rows:
        raise DataError("no data in it")
    start, newest = max(((checks.moment(at), amounts) for at, amounts in rows), key=lambda row: row[0])
    interval = checks.interval(start, start + HOUR)
    return Mix.from_amounts(zone, source, interval, _by_fuel(newest), megawatts=True)


def _by_fuel(amounts: Amounts) -> dict[Fuel, float]:
    """Return MW by fuel; a fuel that we have no name for is among the others."""
    found: dict[Fuel, float] = {}
    for name, said in amounts.items():
        amount = _discharged(said) if isinstance(said, dict) else said
        if name in NOT_FUELS or amount is None or amount <= 0:
            continue
        fuel = FUELS.get(name, Fuel.OTHER)
        found[fuel] = found.get(fuel, 0.0) + amount
    return found


def _discharged(storage: dict[str, Any]) -> float | None:
    amount = storage.get("discharge")
    return float(amount) if isinstance(amount, int | float) and not isinstance(amount, bool) else None
