"""The providers as the conformance suite plays them, and the moment at which it plays.

A further provider joins the suite by one more ``Played``.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from carbonslurm.carbon.neso import NesoOptions, NesoSource, Question, offer
from carbonslurm.ports import CarbonSource

NOW = datetime(2026, 11, 22, 10, 10, tzinfo=UTC)
FULL_HOUR = NOW.replace(minute=0)
Row = dict[str, Any]


@dataclass(frozen=True)
class Played:
    """One provider's forecast, as its server says it.

    Attributes:
        name: of the case.
        make: base URL and read timeout -> the source of forecasts.
        row: start, end, value -> one row.
        body: rows -> the whole answer, before it becomes JSON.
        step: the provider's own spacing.
        single_zero: whether one 0 g/kWh can be true.
        time_format: how it writes times.
        time_keys: of a row, where its times stand.
    """

    name: str
    make: Callable[[str, timedelta], CarbonSource]
    row: Callable[[str, str, object], Row]
    body: Callable[[list[Row]], object]
    step: timedelta
    single_zero: bool
    time_format: str
    time_keys: tuple[str, ...]

    def time(self, moment: datetime) -> str:
        return moment.strftime(self.time_format)

    def rows(self, values: list[object], start: datetime = FULL_HOUR) -> list[Row]:
        times = [self.time(start + number * self.step) for number in range(len(values) + 1)]
        return [
            self.row(left, right, value) for (left, right), value in zip(pairwise(times), values, strict=True)
        ]

    def text(self, rows: list[Row]) -> str:
        return json.dumps(self.body(rows))


def _neso(region: int | None) -> Callable[[str, timedelta], CarbonSource]:
    def make(url: str, read_timeout: timedelta) -> CarbonSource:
        made = offer(NesoOptions("GB", region=region, url=url, read_timeout=read_timeout)).sources
        return next(
            each for each in made if isinstance(each, NesoSource) and each.question is Question.FORECAST
        )

    return make


def _national_row(start: str, end: str, value: object) -> Row:
    return {"from": start, "to": end, "intensity": {"forecast": value, "actual": None, "index": "low"}}


def _regional_row(start: str, end: str, value: object) -> Row:
    mix = [{"fuel": "gas", "perc": 12.5}, {"fuel": "wind", "perc": 87.5}]
    return {
        "from": start,
        "to": end,
        "intensity": {"forecast": value, "index": "low"},
        "generationmix": mix,
    }


def _region(rows: list[Row]) -> Row:
    return {"regionid": 13, "dnoregion": "UKPN London", "shortname": "London", "data": rows}


NATIONAL = Played(
    name="neso national",
    make=_neso(None),
    row=_national_row,
    body=lambda rows: {"data": rows},
    step=timedelta(minutes=30),
    single_zero=False,
    time_format="%Y-%m-%dT%H:%MZ",
    time_keys=("from", "to"),
)
REGIONAL = replace(
    NATIONAL,
    name="neso regional",
    make=_neso(13),
    row=_regional_row,
    body=lambda rows: {"data": _region(rows)},
    single_zero=True,
)
REGIONAL_LIST = replace(REGIONAL, name="neso regional as a list", body=lambda rows: {"data": [_region(rows)]})
PLAYED = (NATIONAL, REGIONAL, REGIONAL_LIST)


@pytest.fixture(scope="module", params=PLAYED, ids=lambda played: played.name)
def played(request: pytest.FixtureRequest) -> Played:
    param: Played = request.param
    return param


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW
