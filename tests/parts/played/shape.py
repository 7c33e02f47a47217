"""A provider as the conformance suite plays it: what its server says, made from points.

The suite speaks of points: a start, an end and a value, any of which may be anything. Each provider's
``Played`` writes them in the provider's own format: rows, parallel arrays, a mix of fuels. What cannot be
said in a format at all is an exemption with its reason, which the suite shows as a skip; nothing passes in
silence.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from werkzeug import Request, Response

from carbonslurm.core.forecast import Series
from carbonslurm.core.interval import Interval
from carbonslurm.ports import CarbonSource, HistorySource

NOW = datetime(2026, 11, 22, 10, 10, tzinfo=UTC)
FULL_HOUR = NOW.replace(minute=0)
HISTORY = timedelta(days=4)


class Role(StrEnum):
    """What is asked of the provider."""

    FORECAST = "forecast"
    MEASURED = "newest measured values"
    HISTORY = "history"


@dataclass(frozen=True)
class Point:
    """One value of one step; datetimes where they are right, anything where they are not."""

    start: object
    end: object
    value: object


# What may be exempted: name -> what it is.
SAYABLE: Mapping[str, str] = {
    "null": "a value that is null",
    "negative": "a value below 0",
    "absurd": "a value above 5000 g/kWh",
    "text": "a value that is a number in quotes",
    "true": "a value that is true",
    "list": "a value that is a list",
    "zeros": "nothing but zeros",
    "zero": "one zero among other values",
    "order": "points that are not in the order of time",
    "few": "one point alone",
    "moment": "a forecast of another moment",
    "ends": "the end of a step, by whatever it is said",
    "end times": "the end of a step as a time of its own",
    "repeat": "the same point twice",
    "conflict": "two values for one time",
    "lies": "an answer of the right shape that must not be believed",
}

# Parts of what is said when an answer is refused: flaw -> words, where a provider has no words of its own.
WORDS: Mapping[str, str] = {
    "zeros": "an outage",
    "zero": "an outage",
    "conflict": "two values for",
    "nothing": "expected at least 2",
    "few": "expected at least 2",
    "many missing": "31 values",
    "length": "a step of",
    "ended": "an old answer",
    "begun": "begins at",
    "ahead": "begins at",
    "empty": "an empty answer",
    "html": "HTML",
    "malformed": "malformed",
    "scalar": "Expected `",
    "half": "truncated",
}

# What is said of a value that cannot be one, where values are JSON numbers.
BAD_VALUES: Mapping[str, tuple[object, str]] = {
    "null": (None, "no value"),
    "negative": (-1, "outside"),
    "absurd": (5001, "outside"),
    "text": ("120", "Expected `float"),
    "true": (True, "Expected `float"),
    "list": ([], "Expected `float"),
}

# Times that are none, where times are ISO 8601 with their zone.
BAD_TIMES: Sequence[tuple[object, str]] = (
    ("2026-11-22T10:00", "time without a zone"),
    ("2026-11-22", "time without a zone"),
    ("tomorrow", "not an ISO 8601 time"),
    ("", "not an ISO 8601 time"),
    ("0001-01-01T00:00+14:00", "not a time of this age"),
    ("9999-12-31T23:59-14:00", "not a time of this age"),
    (None, "Expected `str"),
    (1_795_341_600, "Expected `str"),
)


@dataclass(frozen=True)
class Lie:
    """An answer of the right shape that must not be believed.

    Attributes:
        name: what is wrong with it.
        body: good points -> the answer.
        why: part of what is said when it is refused.
    """

    name: str
    body: Callable[[Sequence[Point]], bytes]
    why: str


@dataclass(frozen=True)
class Reading:
    """A pure reading for the fuzzer, beside those of the cases: of a mix, of a login.

    Attributes:
        name: of the case.
        good: an answer.
        read: answer -> anything that can be believed, or a DataError.
        role: what it was asked for, where that says what can be believed.
    """

    name: str
    good: bytes
    read: Callable[[bytes], object]
    role: Role | None = None


def no_handshake(_request: Request) -> Response | None:
    """Every request is the question itself."""
    return None


@dataclass(frozen=True)
class Played:
    """One question to one provider, as its server answers it.

    Attributes:
        name: of the case.
        role: what is asked.
        make: base URL (or path of the file) and read timeout -> the source.
        body: points -> the whole answer.
        read: answer -> the checked series, by the pure reading alone; what the fuzzer calls.
        step: the provider's own spacing.
        single_zero: whether one 0 g/kWh can be true.
        bad_values: name in ``SAYABLE`` -> the value, and part of what is said of it.
        bad_times: likewise for a start (and an end, unless exempt).
        place: index of a point -> how a refusal names it; "" where it names another place.
        top: what the answer is at its top, in msgspec's words; the other is refused.
        shapes: bodies of another shape, and part of what is said of each.
        lies: see ``Lie``.
        secrets: keys and passwords that it is made with, which must never be told.
        handshake: a request -> the answer to it, where it only leads up to the question (a login).
        suffix: of the file that is read instead of asking a server; None where there is a server.
        words: flaw in ``WORDS`` -> part of what is said of it, where that is something else.
        exempt: name in ``SAYABLE`` -> why this format cannot say it, or means something right by it.
    """

    name: str
    role: Role
    make: Callable[[str, timedelta], CarbonSource | HistorySource]
    body: Callable[[Sequence[Point]], bytes]
    read: Callable[[bytes], Series | None]
    step: timedelta
    single_zero: bool = True
    bad_values: Mapping[str, tuple[object, str]] = field(default_factory=lambda: BAD_VALUES)
    bad_times: Sequence[tuple[object, str]] = BAD_TIMES
    place: Callable[[int], str] = "[{}]".format
    top: str = "object"
    shapes: Sequence[tuple[bytes, str]] = ()
    lies: Sequence[Lie] = ()
    secrets: Sequence[str] = ()
    handshake: Callable[[Request], Response | None] = no_handshake
    suffix: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    exempt: Mapping[str, str] = field(default_factory=dict)

    def why(self, flaw: str) -> str:
        """Return part of what is said of a flaw."""
        return self.words.get(flaw, WORDS[flaw])

    def start(self, count: int) -> datetime:
        """Return where points begin: a forecast with the running step, the past so that it ends at 10:00."""
        if self.role is Role.FORECAST:
            return FULL_HOUR + (NOW - FULL_HOUR) // self.step * self.step
        return FULL_HOUR - count * self.step

    def points(self, values: Sequence[object], start: datetime | None = None) -> list[Point]:
        """Return points side by side."""
        first = self.start(len(values)) if start is None else start
        times = [first + number * self.step for number in range(len(values) + 1)]
        return [
            Point(left, right, value) for (left, right), value in zip(pairwise(times), values, strict=True)
        ]

    def text(self, values: Sequence[object], start: datetime | None = None) -> bytes:
        """Return the answer of points side by side."""
        return self.body(self.points(values, start))


def ask(source: CarbonSource | HistorySource, role: Role, now: datetime) -> Series | None:
    """Ask a source of whichever kind, history for the days before ``now``."""
    if role is Role.HISTORY:
        hour = now.replace(minute=0)
        return source.history(Interval(hour - HISTORY, now), now)  # type: ignore[union-attr]
    answer = source.fetch(now)  # type: ignore[union-attr]
    if role is Role.MEASURED:
        return answer.actual
    return None if answer.forecast is None else answer.forecast.series
