"""The Carbon Aware SDK's JSON files: intensity that a site, or somebody for it, wrote in the SDK's format.

``{"GeneratedAt": ..., "Emissions": [{"Location", "Time", "Rating", "Duration"}]}``, or the list alone. Works
without a network, and is read again at each fetch, as ``file`` does.

- With ``GeneratedAt`` the file is a forecast that was made then: its age counts from there, and what had
  ended by then is measured.
- Without it the file is issued anew each full hour, and at once when it was changed, as a series of ``file``
  is; what has ended by now is measured.

The format says nothing of kind and scope, so the configuration must. Traps, each with a test:

- a rating may be a number in quotes; a time may have no zone, and is refused; without ``Duration`` a step is
  as long as the distances between times;
- **a missing value is written as 0** by the best known writer of such files: a published forecast of 47 hours
  ended in 24 of nothing but 0. Zeros at the end are cut off, so that the horizon is nearer; others are
  refused.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec

from carbonslurm.carbon import checks
from carbonslurm.carbon.carbon_aware_reading import length_of
from carbonslurm.carbon.file import (
    REISSUED_EVERY,
    SERIES_HORIZON,
    SERIES_PAST,
    forecast_steps,
    issued_at,
    load,
)
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import iso
from carbonslurm.errors import ConfigError, DataError
from carbonslurm.ports import CarbonAnswer, Offer, Terms

NAME = "carbon-aware-json"
SUFFIXES = (".json", ".json.gz")
AHEAD = timedelta(minutes=5)  # what the writer's clock and ours may differ by
TERMS = Terms(every=timedelta())  # it costs nothing to look


@dataclass(frozen=True, slots=True)
class CarbonAwareJsonOptions:
    """What the configuration says.

    Attributes:
        zone: the site's name of the zone.
        path: the file, ``.json``, or with ``.gz`` behind it.
        kind: of the numbers in it.
        scope: likewise.
        location: whose rows count; None where the file speaks of one place only.
    """

    zone: str
    path: str
    kind: Kind
    scope: Scope
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What a file says: steps side by side, and when they were made, where it says so."""

    steps: Sequence[Step]
    generated_at: datetime | None


# --- the reading


class _Row(msgspec.Struct, rename="pascal"):
    time: str
    rating: float | str | None
    duration: str | float | None = None
    location: str | None = None


class _Document(msgspec.Struct, rename="pascal"):
    emissions: list[_Row]
    generated_at: str | None = None


def read(text: str, location: str | None) -> Written:
    """Read a file's text.

    Raises:
        DataError: it is not in the format, has gaps, or one of its values cannot be believed.
    """
    said = checks.decoded(text.encode(), _Document | list[_Row])  # type: ignore[arg-type]  # a union is no type
    document = said if isinstance(said, _Document) else _Document(said)
    rows = _of(document.emissions, location)
    steps = _without_zeros(checks.without_repeats(_steps(rows)))
    for before, after in pairwise(steps):
        left, right = before.interval.end, after.interval.start
        if left < right:
            raise DataError(f"a gap: nothing from {iso(left)} to {iso(right)}")
        if left > right:
            raise DataError(f"two values for {iso(right)}")
    if document.generated_at is None:
        return Written(steps, None)
    with checks.about("GeneratedAt"):
        return Written(steps, checks.moment(document.generated_at))


def _of(rows: Sequence[_Row], location: str | None) -> list[tuple[int, _Row]]:
    """Return the rows of one place, with their numbers in the file."""
    if location is None:
        places = sorted({row.location or "" for row in rows})
        if len(places) > 1:
            raise DataError(f"several places, name one as location: {checks.shown(', '.join(places))}")
        return list(enumerate(rows))
    wanted = location.casefold()
    return [(index, row) for index, row in enumerate(rows) if (row.location or "").casefold() == wanted]


def _steps(rows: Sequence[tuple[int, _Row]]) -> list[Step]:
    starts, lengths, values = [], [], []
    for index, row in rows:
        with checks.about(f"Emissions[{index}]"):
            starts.append(checks.moment(row.time))
            lengths.append(None if row.duration is None else length_of(row.duration))
            values.append(_rating(row.rating))
    distance = checks.spacing(starts) if None in lengths else timedelta()
    steps = []
    for (index, _), start, length, value in zip(rows, starts, lengths, values, strict=True):
        with checks.about(f"Emissions[{index}]"):
            steps.append(Step(checks.interval(start, start + (length or distance)), value))
    return steps


_NUMBER = re.compile(r"-?\d{1,9}(?:\.\d{1,20})?", re.ASCII)


def _rating(rating: float | str | None) -> float:
    if isinstance(rating, str):
        if not _NUMBER.fullmatch(rating.strip()):
            raise DataError(f'not a number: "{checks.shown(rating, 40)}"')
        rating = float(rating)
    return checks.intensity(rating)


def _without_zeros(steps: Sequence[Step]) -> list[Step]:
    """Cut zeros off the end, and refuse others."""
    known = [number for number, step in enumerate(steps) if step.g_per_kwh > 0]
    if not known:
        raise DataError("0 g/kWh throughout: an outage, not a grid" if steps else "no rows")
    kept = steps[: known[-1] + 1]
    for step in kept:
        if step.g_per_kwh == 0:
            raise DataError(f"0 g/kWh at {iso(step.interval.start)}: this format's way to say nothing")
    return list(kept)


# --- the answer


def answer(
    written: Written, options: CarbonAwareJsonOptions, changed: datetime, now: datetime
) -> CarbonAnswer:
    """Make the forecast of a file, and the measured values behind it.

    Args:
        written: the file's content.
        options: zone and nature.
        changed: when the file was last changed.
        now: the current time; the forecast covers it.

    Raises:
        DataError: the file says nothing about now, or was made after now.
    """
    issued = written.generated_at or issued_at(changed, now)
    if issued > now + AHEAD:
        raise DataError(f"made at {iso(issued)}, after now")
    first, last = written.steps[0].interval.start, written.steps[-1].interval.end
    if not first <= now < last:
        raise DataError(f"from {iso(first)} to {iso(last)}: says nothing about now")
    until = issued + REISSUED_EVERY + SERIES_HORIZON
    ahead = forecast_steps(written.steps, issued, until)
    past = [step for step in written.steps if now - SERIES_PAST < step.interval.end <= min(issued, now)]
    nature = Nature(options.kind, options.scope)
    series = Series.from_steps(options.zone, NAME, nature, ahead)
    measured = Series.from_steps(options.zone, NAME, nature, past) if past else None
    return CarbonAnswer(forecast=Issue(series, generated_at=issued, fetched_at=now), actual=measured)


# --- the source


@dataclass(frozen=True, slots=True)
class CarbonAwareJsonSource:
    """One file, of which one place counts."""

    options: CarbonAwareJsonOptions
    name: str = NAME
    question: str = "file"
    terms: Terms = TERMS

    @property
    def zone(self) -> str:
        """The site's name of the zone."""
        return self.options.zone

    def fetch(self, now: datetime) -> CarbonAnswer:
        """Read the file and make a forecast of it.

        Raises:
            DataError: the file cannot be believed, or does not cover now.
            RefusedError: it may not be read.
            UnavailableError: it is not there.
        """
        path = Path(self.options.path)
        text, changed = load(path)
        with checks.about(str(path)):
            return answer(read(text, self.options.location), self.options, changed, now)


def offer(options: CarbonAwareJsonOptions) -> Offer:
    """Return what the file gives: one source.

    Raises:
        ConfigError: the suffix is not one that can be read.
    """
    if not options.path.endswith(SUFFIXES):
        raise ConfigError(f'path: expected .json, with or without .gz, got "{options.path}"')
    return Offer((CarbonAwareJsonSource(options),))
