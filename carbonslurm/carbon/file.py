"""The file provider: intensity that the site itself wrote down; works without a network.

Three contents (``written``): a series (CSV, or YAML ``series``), a profile of 24 hours, a constant. The file
is read again at each fetch. Because a file is as good as it can be read and covers now, its age does not
count from when it was written: **each full hour it is issued anew**, and at once when it was changed since.
So a week-old series is not stale, the number of stored issues is bounded, and asking twice within an hour
gives the same issue, point for point.

- A *series* is a forecast up to the horizon (7 days unless configured) or its own end. Its steps that have
  ended are measured values, 7 days back, unless the file flags them as estimated. The issue begins three
  hours back, with a step that has ended at least: both are out of one file, so that the forecast stands where
  the measurement ended, and is not to be moved there (``core.joint``).
- A *profile* or a *constant* measures nothing: ``actual`` is None. Its issue reaches 24 h back instead, so
  that runs from before the first fetch have an intensity, flagged as estimated like everything from an issue;
  and 48 h ahead unless configured.

The horizon counts from the end of the hour in which the forecast is issued, so that it holds until the next.

Kind is average and scope unknown unless the file or the configuration says otherwise. Where both speak they
must agree.
"""

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from carbonslurm.carbon.written import Profile, Written, read_csv, read_yaml
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import aware, from_epoch, iso
from carbonslurm.errors import ConfigError, DataError, RefusedError, UnavailableError
from carbonslurm.ports import CarbonAnswer, Offer, Terms

NAME = "file"
CSV_SUFFIXES = (".csv", ".csv.gz")
YAML_SUFFIXES = (".yaml", ".yml", ".yaml.gz", ".yml.gz")
REISSUED_EVERY = timedelta(hours=1)
LARGEST = 64_000_000  # bytes, unpacked: 30 years of quarter hours
SERIES_HORIZON = timedelta(days=7)
SERIES_PAST = timedelta(days=7)
SERIES_OVERLAP = timedelta(hours=3)
ONE_SECOND = timedelta(seconds=1)
PROFILE_HORIZON = timedelta(hours=48)
PROFILE_PAST = timedelta(hours=24)
TERMS = Terms(every=timedelta())  # it costs nothing to look


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What the configuration says.

    Attributes:
        zone: the site's name of the zone.
        path: the file, ``.csv``, ``.yaml`` or ``.yml``, each also with ``.gz``.
        column: of a CSV file: the intensity's, in g/kWh; None for ``g_per_kwh``, else ``gCO2eq_per_kWh``.
        kind: average or marginal; None for what the file says, else average.
        scope: lifecycle, direct or operational; None for what the file says, else unknown.
        horizon: how far ahead a forecast reaches; None for 7 days (series) or 48 h (profile, constant).
    """

    zone: str
    path: str
    column: str | None = None
    kind: Kind | None = None
    scope: Scope | None = None
    horizon: timedelta | None = None


# --- the reading


def read(text: str, name: str, column: str | None) -> Written:
    """Read a file's text by the suffix of its name.

    Raises:
        DataError: "name:line: why".
    """
    return read_csv(text, name, column) if name.endswith(CSV_SUFFIXES) else read_yaml(text, name)


def issued_at(changed: datetime, now: datetime) -> datetime:
    """Return when a file counts as issued: the last full hour, or later in it when the file was changed.

    A change in the future is a wrong clock and does not count.
    """
    hour = aware(now).replace(minute=0, second=0, microsecond=0)
    return changed if hour < changed <= now else hour


def nature(written: Written, options: FileOptions) -> Nature:
    """Return kind and scope, from the file or the configuration.

    Raises:
        DataError: they contradict each other.
    """
    for said, configured in ((written.kind, options.kind), (written.scope, options.scope)):
        if said is not None and configured is not None and said != configured:
            raise DataError(f"the file says {said}, the configuration {configured}")
    return Nature(
        written.kind or options.kind or Kind.AVERAGE, written.scope or options.scope or Scope.UNKNOWN
    )


def answer(written: Written, options: FileOptions, issued: datetime, now: datetime) -> CarbonAnswer:
    """Make the forecast of a file and, of a series, the measured values behind it.

    Args:
        written: the file's content.
        options: zone, nature and horizon.
        issued: see ``issued_at``.
        now: the current time; the forecast covers it.

    Raises:
        DataError: the file says nothing about now, or contradicts the configuration.
    """
    known = nature(written, options)
    if isinstance(written.content, Profile):
        until = issued + REISSUED_EVERY + (options.horizon or PROFILE_HORIZON)
        ahead = written.content.steps(issued - PROFILE_PAST, until)
        past: list[Step] = []
    else:
        _cover(written.content, now)
        until = issued + REISSUED_EVERY + (options.horizon or SERIES_HORIZON)
        ahead = forecast_steps(written.content, issued, until)
        past = [step for step in written.content if now - SERIES_PAST < step.interval.end <= now]
    series = Series.from_steps(options.zone, NAME, known, ahead)
    measured = Series.from_steps(options.zone, NAME, known, past) if past else None
    return CarbonAnswer(forecast=Issue(series, generated_at=issued, fetched_at=now), actual=measured)


def forecast_steps(steps: Sequence[Step], issued: datetime, until: datetime) -> list[Step]:
    """Return the steps of the forecast, some that have ended among them; all are estimates there."""
    ended = [step.interval.end for step in steps if step.interval.end <= issued]
    since = min(issued - SERIES_OVERLAP, ended[-1] - ONE_SECOND) if ended else issued
    return [
        replace(step, estimated=True)
        for step in steps
        if step.interval.end > since and step.interval.start < until
    ]


def _cover(steps: Sequence[Step], now: datetime) -> None:
    if now < steps[0].interval.start:
        raise DataError(f"begins at {iso(steps[0].interval.start)}, after now")
    if now >= steps[-1].interval.end:
        raise DataError(f"ended at {iso(steps[-1].interval.end)}")


# --- the wire


def load(path: Path) -> tuple[str, datetime]:
    """Return a file's text, unpacked, and when it was last changed.

    Raises:
        DataError: it is too large, not gzip where its name says so, or not UTF-8.
        RefusedError: it may not be read.
        UnavailableError: it is missing or cannot be read.
    """
    opener = gzip.open if path.name.endswith(".gz") else open
    try:
        with opener(path, "rb") as file:
            raw = file.read(LARGEST + 1)
        changed = from_epoch(path.stat().st_mtime)
        text = raw.decode("utf-8-sig")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not a whole gzip file") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}") from error
    except PermissionError as error:
        raise RefusedError(f"{path}: {error.strerror}") from error
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror or error}") from error
    if len(raw) > LARGEST:
        raise DataError(f"{path}: more than {LARGEST} bytes")
    return text, changed


# --- the source


@dataclass(frozen=True, slots=True)
class FileSource:
    """One file that speaks of one zone."""

    options: FileOptions
    question: str = "file"
    terms: Terms = TERMS

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        return NAME

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
        written = read(text, str(path), self.options.column)
        try:
            return answer(written, self.options, issued_at(changed, now), now)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error


def offer(options: FileOptions) -> Offer:
    """Return what the file gives: one source.

    Raises:
        ConfigError: the suffix is not one that can be read, a column is named for YAML, or the horizon is
            not above zero.
    """
    csv_file = options.path.endswith(CSV_SUFFIXES)
    if not csv_file and not options.path.endswith(YAML_SUFFIXES):
        raise ConfigError(f'path: expected .csv, .yaml or .yml, with or without .gz, got "{options.path}"')
    if options.column is not None and not csv_file:
        raise ConfigError("column: only a CSV file has columns")
    if options.horizon is not None and options.horizon <= timedelta():
        raise ConfigError("horizon: expected more than 0")
    return Offer((FileSource(options),))
