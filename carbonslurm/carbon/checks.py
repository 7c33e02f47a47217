"""What every provider's answer must pass before anybody plans by it. Pure functions, shared by the providers.

A reading decodes text into steps; these functions say whether the steps can be believed. An answer is refused
whole: one bad half hour says that the sender is not well, and the last good issue is better than most of a
new one. What is refused, and why:

- missing, negative, not finite or absurd values, and a run of nothing but zeros: an outage that reads as the
  cleanest hour of the year draws every job into it;
- times without a zone, or outside the years that this software can meet;
- steps longer than an hour, gaps, and two different values for one moment. The *same* value twice is taken
  once: it says nothing new and nothing wrong, and refusing it would cost a forecast each time that a provider
  repeats a row over a daylight saving change;
- a forecast that does not begin about now: providers give no time of issue, so an old answer from a cache
  would otherwise pass for a new one.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import TypeVar

import msgspec
import numpy as np

from carbonslurm.core.forecast import Nature, Series, Step
from carbonslurm.core.interval import Interval, aware, from_epoch, iso
from carbonslurm.errors import DataError

# Lignite at the plug is about 1,100 g/kWh, old oil engines 1,500; the rest is room for lifecycle factors.
HIGHEST_G_PER_KWH = 5000.0
LONGEST_STEP = timedelta(hours=1)
FEWEST_STEPS = 2
CLOCKS = timedelta(minutes=5)  # what a provider's clock and ours may differ by
Shape = TypeVar("Shape")
EARLIEST_YEAR, LATEST_YEAR = 2000, 2199
EARLIEST_UNIX, LATEST_UNIX = 946_684_800, 7_258_118_400  # the same years in Unix seconds


def shown(text: str, longest: int = 80) -> str:
    """Return foreign text as one short line of plain ASCII, safe for a log and a terminal."""
    line = " ".join(text.split())
    plain = "".join(character if " " <= character <= "~" else "?" for character in line)
    return plain if len(plain) <= longest else plain[: longest - 3] + "..."


@contextmanager
def about(what: str) -> Iterator[None]:
    """Say of every DataError within what it is about."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{what}: {error}") from error


def decoded(body: bytes, shape: type[Shape]) -> Shape:
    """Read a body of JSON into a typed shape.

    Raises:
        DataError: it is no JSON, or of another shape.
    """
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        what = "HTML, not JSON" if body.lstrip()[:1] == b"<" else shown(str(error), 120)
        raise DataError(what) from error


def moment(text: str, unsaid: tzinfo | None = None) -> datetime:
    """Read an ISO 8601 time with its zone; return it in UTC.

    Args:
        text: the time.
        unsaid: the zone of a time that does not say its own, where the provider has settled that.

    Raises:
        DataError: it is not a time, has no zone, or lies outside the years 2000 to 2199.
    """
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise DataError(f'not an ISO 8601 time: "{shown(text, 40)}"') from error
    if not EARLIEST_YEAR <= read.year <= LATEST_YEAR:  # before aware(), which overflows at the ends of time
        raise DataError(f'not a time of this age: "{shown(text, 40)}"')
    return aware(read if read.tzinfo or unsaid is None else read.replace(tzinfo=unsaid))


def unix(seconds: int) -> datetime:
    """Return the moment of a Unix time in whole seconds.

    Raises:
        DataError: it lies outside the years 2000 to 2199.
    """
    if not EARLIEST_UNIX <= seconds < LATEST_UNIX:
        raise DataError(f"not a time of this age: {shown(str(seconds), 40)}")
    return from_epoch(seconds)


def intensity(value: float | None) -> float:
    """Return a value in g/kWh that can be believed.

    Raises:
        DataError: it is missing, not finite, negative or above 5000 g/kWh.
    """
    if value is None:
        raise DataError("no value (null)")
    if not 0 <= value <= HIGHEST_G_PER_KWH:  # refuses NaN, too
        raise DataError(f"{value:g} g/kWh is outside 0 to {HIGHEST_G_PER_KWH:g}")
    return float(value)


def interval(start: datetime, end: datetime) -> Interval:
    """Return a step's interval.

    Raises:
        DataError: it is empty, runs backwards or is longer than an hour.
    """
    if not timedelta() < end - start <= LONGEST_STEP:
        raise DataError(f"a step of {end - start} from {iso(start)}, expected more than 0 and at most 1 h")
    return Interval(start, end)


def spacing(starts: Iterable[datetime]) -> timedelta:
    """Return the length of steps that are given by their starts, in any order: the shortest distance.

    A longer distance is a gap.

    Raises:
        DataError: there are not two different starts, or their distances are not multiples of one length.
    """
    ordered = sorted(set(starts))
    if len(ordered) < FEWEST_STEPS:
        raise DataError(f"{len(ordered)} times, expected at least {FEWEST_STEPS}: how long a step is")
    distances = {right - left for left, right in pairwise(ordered)}
    length = min(distances)
    for distance in sorted(distances):
        if distance % length:
            raise DataError(f"uneven times: some {length} apart, some {distance}")
    return length


def without_repeats(steps: Sequence[Step]) -> list[Step]:
    """Return steps in order of time, each once; different values for one time stay, and are refused later."""
    return sorted(set(steps), key=lambda step: (step.interval, step.g_per_kwh))


def measured(zone: str, source: str, nature: Nature, steps: Sequence[Step]) -> Series | None:
    """Return measured values; what lies between them stays unknown. None where there is none.

    Raises:
        DataError: two values for one time, or nothing but zeros.
    """
    if not steps:
        return None
    series = Series.from_steps(zone, source, nature, without_repeats(steps))
    if not bool(np.nan_to_num(series.values).any()):
        raise DataError("0 g/kWh throughout: an outage, not a grid")
    return series


def history(
    zone: str, source: str, nature: Nature, steps: Sequence[Step], window: Interval, now: datetime
) -> Series | None:
    """Return what was measured in a window, of what has ended by now; None where nothing was.

    Raises:
        DataError: all of it lies outside of the window, two values for one time, or nothing but zeros.
    """
    ended = [step for step in steps if step.interval.end <= now]
    inside = [step for step in ended if step.interval.end > window.start and step.interval.start < window.end]
    if ended and not inside:
        first = min(step.interval.start for step in ended)
        raise DataError(f"begins at {iso(first)}, asked from {iso(window.start)}: not an answer to that")
    return measured(zone, source, nature, inside)


def forecast(
    zone: str,
    source: str,
    nature: Nature,
    steps: Sequence[Step],
    now: datetime,
    since: datetime | None = None,
) -> Series:
    """Return a forecast without gaps that begins about now.

    Args:
        zone: the site's name of the zone.
        source: the provider's name.
        nature: kind and scope of the values.
        steps: in any order, the values in g/kWh already believed one by one.
        now: when the answer came. The forecast must cover this moment and begin at most an hour before it.
        since: from when the forecast is, where the provider says so: when it was issued, or where the
            measured values end and it goes on. It may begin as early as that (how old that may be is for
            the provider's module to say) and up to an hour after it.

    Raises:
        DataError: there are too few steps, gaps, two values for one time, or another time than now.
    """
    series = measured(zone, source, nature, steps)
    if series is None or len(series.values) < FEWEST_STEPS:
        raise DataError(f"{len(steps)} values, expected at least {FEWEST_STEPS}")
    if series.has_gaps:
        raise DataError(f"{_gap(series)}; {len(series.steps())} values in all")
    if series.horizon <= now:
        raise DataError(f"an old answer: it ends at {iso(series.horizon)}")
    earliest, latest = now - LONGEST_STEP, now
    if since is not None:
        earliest, latest = min(earliest, since), max(latest, since + LONGEST_STEP)
    if not earliest <= series.start <= latest:
        raise DataError(f"begins at {iso(series.start)}, asked at {iso(now)}: not an answer to that")
    return series


def _gap(series: Series) -> str:
    steps = series.steps()
    left, right = next(
        (before.interval.end, after.interval.start)
        for before, after in pairwise(steps)
        if before.interval.end != after.interval.start
    )
    return f"a gap: nothing from {iso(left)} to {iso(right)}"


def made(moment: datetime | None, now: datetime) -> None:
    """Refuse a forecast that says that it was made after now.

    Raises:
        DataError: it was, by more than the provider's clock and ours may differ.
    """
    if moment is not None and moment > now + CLOCKS:
        raise DataError(f"from the future: made {iso(moment)}, asked at {iso(now)}")
