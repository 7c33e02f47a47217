"""The GB operator as the conformance suite plays it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from carbonslurm.carbon import checks, neso
from carbonslurm.carbon.neso_reading import read_forecast, read_measured, read_mix
from carbonslurm.core.interval import Interval
from carbonslurm.ports import CarbonSource, HistorySource
from played.shape import FULL_HOUR, HISTORY, NOW, Lie, Played, Point, Reading, Role

Row = dict[str, Any]


def time(moment: object) -> object:
    return moment.strftime("%Y-%m-%dT%H:%MZ") if isinstance(moment, datetime) else moment


def row(point: Point, **intensity: object) -> Row:
    return {"from": time(point.start), "to": time(point.end), "intensity": {**intensity, "index": "low"}}


def ahead(points: Sequence[Point]) -> list[Row]:
    return [row(point, forecast=point.value, actual=None) for point in points]


def past(points: Sequence[Point]) -> list[Row]:
    return [row(point, forecast=100, actual=point.value) for point in points]


def regional(points: Sequence[Point]) -> Row:
    mix = [{"fuel": "gas", "perc": 12.5}, {"fuel": "wind", "perc": 87.5}]
    rows = [{**row(point, forecast=point.value), "generationmix": mix} for point in points]
    return {"regionid": 13, "dnoregion": "UKPN London", "shortname": "London", "data": rows}


def said(data: object) -> bytes:
    return json.dumps({"data": data}).encode()


def _source(
    question: neso.Question, region: int | None = None
) -> Callable[[str, timedelta], CarbonSource | HistorySource]:
    def make(url: str, read_timeout: timedelta) -> CarbonSource:
        options = neso.NesoOptions("GB", region=region, url=url, read_timeout=read_timeout)
        return next(each for each in neso.offer(options).sources if each.question == question)

    return make


def _history(url: str, read_timeout: timedelta) -> HistorySource:
    made = neso.offer(neso.NesoOptions("GB", url=url, read_timeout=read_timeout)).history
    assert made is not None
    return made


ERROR = {"error": {"code": "400 Bad Request", "message": "Please\x1b[2J enter\na valid path"}}
NATIONAL = Played(
    name="neso national",
    role=Role.FORECAST,
    make=_source(neso.Question.FORECAST),
    body=lambda points: said(ahead(points)),
    read=lambda body: checks.forecast("GB", "neso", neso.NATURE, read_forecast(body, None), NOW),
    step=timedelta(minutes=30),
    single_zero=False,
    shapes=(
        (b"{}", "no data"),
        (b'{"data": null}', "no data"),
        (b'{"data": "\\u001b[31mred"}', "Expected"),
        (b'{"data": {"regionid": "x\\u001b"}}', ""),
        (json.dumps(ERROR).encode(), "Please"),
    ),
    lies=(Lie("an error beside the data", lambda points: _with_error(ahead(points)), "Please"),),
)
REGIONAL = replace(
    NATIONAL,
    name="neso regional",
    make=_source(neso.Question.FORECAST, 13),
    body=lambda points: said(regional(points)),
    read=lambda body: checks.forecast("GB", "neso", neso.NATURE, read_forecast(body, 13), NOW),
    single_zero=True,
    lies=(
        Lie(
            "another region", lambda points: said({**regional(points), "regionid": 12}), "asked for region 13"
        ),
        Lie("two regions", lambda points: said([regional(points)] * 2), "asked for region 13"),
        Lie("an error beside the data", lambda points: _with_error(regional(points)), "Please"),
    ),
)
MEASURED = replace(
    NATIONAL,
    name="neso measured",
    role=Role.MEASURED,
    make=_source(neso.Question.MEASURED),
    body=lambda points: said(past(points)),
    read=lambda body: checks.measured("GB", "neso", neso.NATURE, read_measured(body, NOW)),
    lies=(Lie("an error beside the data", lambda points: _with_error(past(points)), "Please"),),
)
WINDOW = Interval(FULL_HOUR - HISTORY, FULL_HOUR)
PLAYED = (
    NATIONAL,
    REGIONAL,
    replace(
        REGIONAL,
        name="neso regional as a list",
        body=lambda points: said([regional(points)]),
    ),
    MEASURED,
    replace(
        MEASURED,
        name="neso history",
        role=Role.HISTORY,
        make=_history,
        read=lambda body: checks.history("GB", "neso", neso.NATURE, read_measured(body, NOW), WINDOW, NOW),
    ),
)


def _with_error(data: object) -> bytes:
    return json.dumps({"data": data, **ERROR}).encode()


MIX = {
    "from": "2026-11-22T10:00Z",
    "to": "2026-11-22T10:30Z",
    "generationmix": [{"fuel": "gas", "perc": 60.5}, {"fuel": "wind", "perc": 39.5}],
}
READINGS = (
    Reading("neso national mix", said(MIX), lambda body: read_mix(body, None, "GB", NOW)),
    Reading(
        "neso regional mix",
        said([{"regionid": 13, "data": [MIX]}]),
        lambda body: read_mix(body, 13, "LDN", NOW),
    ),
)
