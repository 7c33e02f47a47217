"""What WattTime answers: points and what they are about, of a forecast or of the past.

``meta`` says which region, which signal and which unit, and all three are read: pounds per MWh become g/kWh
here, and a percentile, which stands in the same field, is refused.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from carbonslurm.carbon import checks
from carbonslurm.core.forecast import Step
from carbonslurm.core.units import g_per_kwh_from_lb_per_mwh
from carbonslurm.errors import DataError

UNITS = "lbs_co2_per_mwh"


class _Row(msgspec.Struct):
    point_time: str
    value: float | None = None
    imputed_data_used: bool | None = None


class _Meta(msgspec.Struct):
    region: str | None = None
    signal_type: str | None = None
    units: str | None = None
    data_point_period_seconds: int | None = None
    generated_at: str | None = None


class _Answer(msgspec.Struct):
    data: list[_Row] | None = None
    meta: _Meta | None = None
    error: Any = None
    message: Any = None
    msg: Any = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer says.

    Attributes:
        steps: in the order of the answer.
        generated: when a forecast was made, None where it does not say.
    """

    steps: list[Step]
    generated: datetime | None


def read(body: bytes, region: str, signal: str, *, ahead: bool) -> Reading:
    """Return the points of an answer, in g/kWh.

    Args:
        body: the answer.
        region: what was asked for.
        signal: likewise.
        ahead: whether a forecast was asked for; in an answer about the past null is not known, and left out.

    Raises:
        DataError: the body is no answer to this question, or one of its values cannot be believed.
    """
    answer = checks.decoded(body, _Answer)
    if answer.data is None or answer.meta is None:
        said = next((word for word in (answer.message, answer.msg, answer.error) if word), "")
        raise DataError(f"no data in it: {checks.shown(str(said), 120)}" if said else "no data in it")
    _check(answer.meta, region, signal)
    length = timedelta(seconds=answer.meta.data_point_period_seconds or 0)
    steps = [_step(index, row, length, ahead=ahead) for index, row in enumerate(answer.data)]
    generated = None if answer.meta.generated_at is None else checks.moment(answer.meta.generated_at)
    return Reading([step for step in steps if step is not None], generated)


def _check(meta: _Meta, region: str, signal: str) -> None:
    """Refuse an answer to another question, or in another unit."""
    for asked, said in ((region, meta.region), (signal, meta.signal_type)):
        if said != asked:
            raise DataError(f"asked for {asked}, got {checks.shown(str(said))}")
    if meta.units == "percentile":
        raise DataError("percentile: the rank of an hour among others, not an intensity")
    if meta.units != UNITS:
        raise DataError(f"units: expected {UNITS}, got {checks.shown(str(meta.units))}")
    seconds = meta.data_point_period_seconds
    if seconds is None or not 60 <= seconds <= 3600:
        raise DataError(f"data_point_period_seconds: expected 60 to 3600, got {checks.shown(str(seconds))}")


def _step(index: int, row: _Row, length: timedelta, *, ahead: bool) -> Step | None:
    with checks.about(f"data[{index}]"):
        start = checks.moment(row.point_time)
        if row.value is None and not ahead:
            return None
        g_per_kwh = None if row.value is None else g_per_kwh_from_lb_per_mwh(row.value)
        estimated = ahead or bool(row.imputed_data_used)
        return Step(checks.interval(start, start + length), checks.intensity(g_per_kwh), estimated)
