"""The Carbon Aware SDK's web API as the conformance suite plays it; its JSON files for the fuzzer."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from carbonslurm.carbon import carbon_aware_json, checks
from carbonslurm.carbon.carbon_aware_reading import read_emissions
from carbonslurm.carbon.carbon_aware_sdk import NAME, CarbonAwareSdkOptions, Question, forecast, offer
from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval
from carbonslurm.ports import CarbonSource, HistorySource
from played.shape import BAD_VALUES, FULL_HOUR, HISTORY, NOW, Lie, Played, Point, Reading, Role

NATURE = Nature(Kind.MARGINAL, Scope.OPERATIONAL)
STEP = timedelta(minutes=5)


def time(moment: object) -> object:
    return moment.isoformat() if isinstance(moment, datetime) else moment


def length(point: Point) -> timedelta:
    if isinstance(point.start, datetime) and isinstance(point.end, datetime):
        return point.end - point.start
    return STEP


def span(length: timedelta) -> str:
    """A length as .NET writes it."""
    days, rest = divmod(abs(length), timedelta(days=1))
    text = f"{days}.{rest}" if days else str(rest)
    return f"-{text}" if length < timedelta() else text


def ahead(points: Sequence[Point]) -> list[dict[str, Any]]:
    return [
        {
            "location": "IE",
            "timestamp": time(point.start),
            "duration": length(point) / timedelta(minutes=1),
            "value": point.value,
        }
        for point in points
    ]


def issued(points: Sequence[Point], **changed: object) -> dict[str, Any]:
    """A forecast of the running days, or of any other day where its points begin there."""
    starts = [point.start for point in points if isinstance(point.start, datetime)]
    made = min([*starts, NOW]) if starts and abs(min(starts) - NOW) > timedelta(days=5) else NOW
    return {
        "requestedAt": time(NOW),
        "generatedAt": time(made),
        "location": "northeurope",
        "windowSize": 5,
        "optimalDataPoints": ahead(points[:1]),
        "forecastData": ahead(points),
        **changed,
    }


def past(points: Sequence[Point]) -> list[dict[str, Any]]:
    return [
        {
            "location": "IE",
            "time": time(point.start),
            "rating": point.value,
            "duration": span(length(point)),
        }
        for point in points
    ]


def said(content: object) -> bytes:
    return json.dumps(content).encode()


def _options(url: str, read_timeout: timedelta) -> CarbonAwareSdkOptions:
    return CarbonAwareSdkOptions(
        "IE", url, "northeurope", NATURE.kind, NATURE.scope, read_timeout=read_timeout
    )


def _source(question: Question) -> Callable[[str, timedelta], CarbonSource]:
    def make(url: str, read_timeout: timedelta) -> CarbonSource:
        made = offer(_options(url, read_timeout)).sources
        return next(each for each in made if each.question == question)

    return make


def _history(url: str, read_timeout: timedelta) -> HistorySource:
    made = offer(_options(url, read_timeout)).history
    assert made is not None
    return made


def _forecast(body: bytes) -> Series:
    return forecast(body, "northeurope", "IE", NATURE, NOW).series


def _longer(points: Sequence[Point]) -> list[dict[str, Any]]:
    return [{**row, "duration": 30} for row in ahead(points)]


FORECAST = Played(
    name="carbon-aware-sdk forecast",
    role=Role.FORECAST,
    make=_source(Question.FORECAST),
    body=lambda points: said([issued(points)]),
    read=_forecast,
    step=STEP,
    top="array",
    shapes=(
        (b"[]", "asked for northeurope"),
        (b"[{}]", "missing required field"),
        (b'[{"location": "northeurope"}]', "missing required field"),
        (b'{"title": "One or more validation errors occurred.", "status": 400}', "Expected `array"),
    ),
    lies=(
        Lie("another place", lambda points: said([issued(points, location="westus")]), 'got "westus"'),
        Lie("two places", lambda points: said([issued(points)] * 2), 'got "northeurope, northeurope"'),
        Lie(
            "points of two places",
            lambda points: said(
                [issued(points, forecastData=[{**ahead(points)[0], "location": "FR"}, *ahead(points)[1:]])]
            ),
            "several places in one answer: FR, IE",
        ),
        Lie(
            "made yesterday",
            lambda points: said([issued(points, generatedAt=time(NOW - timedelta(days=1)))]),
            "an old answer: made at",
        ),
        Lie(
            "made tomorrow",
            lambda points: said([issued(points, generatedAt=time(NOW + timedelta(days=1)))]),
            "an answer from the future: made at",
        ),
        Lie("made at no time", lambda points: said([issued(points, generatedAt="today")]), "not an ISO"),
        Lie(
            "rolling means",
            lambda points: said([issued(points, windowSize=30, forecastData=_longer(points))]),
            "rolling means",
        ),
    ),
    exempt={"end times": "a step has a start and a length"},
)
WINDOW = Interval(FULL_HOUR - HISTORY, NOW)
MEASURED = replace(
    FORECAST,
    name="carbon-aware-sdk measured",
    role=Role.MEASURED,
    make=_source(Question.MEASURED),
    body=lambda points: said(past(points)),
    read=lambda body: checks.measured("IE", NAME, NATURE, read_emissions(body, NOW)),
    bad_values=BAD_VALUES,
    shapes=((b"[{}]", "missing required field"), (b"[[]]", "Expected `object")),
    lies=(
        Lie(
            "points of two places",
            lambda points: said([{**past(points)[0], "location": "FR"}, *past(points)[1:]]),
            "several places in one answer: FR, IE",
        ),
    ),
)
HISTORY_OF = replace(
    MEASURED,
    name="carbon-aware-sdk history",
    role=Role.HISTORY,
    make=_history,
    read=lambda body: checks.history("IE", NAME, NATURE, read_emissions(body, NOW), WINDOW, NOW),
)

# --- the JSON files


def written(points: Sequence[Point], **changed: object) -> dict[str, Any]:
    """A file that was made when its points begin."""
    rows = [
        {
            "Location": "IE",
            "Time": time(point.start),
            "Rating": point.value,
            "Duration": span(length(point)),
        }
        for point in points
    ]
    starts = [point.start for point in points if isinstance(point.start, datetime)]
    return {"GeneratedAt": time(min(starts, default=FULL_HOUR)), "Emissions": rows, **changed}


def _file(body: bytes) -> Series | None:
    options = carbon_aware_json.CarbonAwareJsonOptions("IE", "x.json", NATURE.kind, NATURE.scope)
    content = carbon_aware_json.read(body.decode(errors="replace"), None)
    issue = carbon_aware_json.answer(content, options, FULL_HOUR, NOW).forecast
    return None if issue is None else issue.series


def _in_a_file(path: str, _read_timeout: timedelta) -> CarbonSource:
    options = carbon_aware_json.CarbonAwareJsonOptions("IE", path, NATURE.kind, NATURE.scope)
    (source,) = carbon_aware_json.offer(options).sources
    return source


JSON = Played(
    name="carbon-aware-json",
    role=Role.FORECAST,
    make=_in_a_file,
    body=lambda points: said(written(points)),
    read=_file,
    step=timedelta(minutes=30),
    single_zero=False,
    suffix=".json",
    words={
        "zero": "this format's way to say nothing",
        "nothing": "no rows",
        "many missing": "a gap",
        "ended": "says nothing about now",
        "ahead": "after now",
        "empty": "truncated",
        "malformed": "not UTF-8",
    },
    lies=(
        Lie(
            "two places",
            lambda points: said(written([*points, *points], Emissions=_of_two_places(points))),
            "several places",
        ),
        Lie(
            "made tomorrow",
            lambda points: said(written(points, GeneratedAt=time(NOW + timedelta(days=1)))),
            "after now",
        ),
    ),
    exempt={
        "text": "a rating may be a number in quotes",
        "few": "a step with a length may stand alone",
        "moment": "a file says when it was made, and its age counts from there",
        "end times": "a step has a start and a length",
    },
)


def _of_two_places(points: Sequence[Point]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = written(points)["Emissions"]
    return [*rows, *({**row, "Location": "FR"} for row in rows)]


PLAYED = (FORECAST, MEASURED, HISTORY_OF, JSON)
READINGS = (
    Reading(
        "carbon-aware-json with numbers in quotes",
        said(written(FORECAST.points([100, 90, "80.5", 70, 60]))),
        _file,
        Role.FORECAST,
    ),
)
