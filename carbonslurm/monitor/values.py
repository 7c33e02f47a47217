"""What CarbonMonitor answers: frozen values with their units in their names, their kind and their scope.

Times are aware and UTC. Unknown is None, and ``trouble`` says why. Tables need pandas, an extra that is
imported when one is asked for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Self

from carbonslurm.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from types import ModuleType

    import pandas as pd

    from carbonslurm.app.outlook import Now
    from carbonslurm.core.forecast import Issue, Nature, Series
    from carbonslurm.core.interval import Interval
    from carbonslurm.core.mix import Mix
    from carbonslurm.core.windows import Best


@dataclass(frozen=True, slots=True)
class Current:
    """What holds now in one zone.

    Attributes:
        g_per_kwh: grams of CO2e per kWh, None where nothing of lately is known.
        kind: average or marginal.
        scope: lifecycle, direct or operational, in the provider's terms.
        source: who said so.
        start: since when it holds.
        end: until when; before now where nothing newer was measured yet.
        expected: whether it is from a forecast and was not measured.
        trouble: why it is unknown, in one line.
        warning: why others than the ledger were asked, in one line.
    """

    zone: str
    g_per_kwh: float | None
    kind: str | None = None
    scope: str | None = None
    source: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    expected: bool | None = None
    trouble: str | None = None
    warning: str | None = None

    @classmethod
    def of(cls, zone: str, nature: Nature | None, now: Now | None, trouble: str | None) -> Self:
        """Return the value for what was found."""
        if now is None or nature is None:
            return cls(zone, None, trouble=trouble)
        span = now.step.interval
        kind, scope = str(nature.kind), str(nature.scope)
        return cls(
            zone, now.step.g_per_kwh, kind, scope, now.source, span.start, span.end, expected=now.expected
        )


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a curve.

    Attributes:
        start: the first instant that it holds for.
        end: the first that it no longer holds for.
        g_per_kwh: grams of CO2e per kWh.
        low_g_per_kwh: the lower end of the forecast's band, None where there is none.
        high_g_per_kwh: the upper end, likewise.
        estimated: whether the source did not measure it, or may revise it.
    """

    start: datetime
    end: datetime
    g_per_kwh: float
    low_g_per_kwh: float | None = None
    high_g_per_kwh: float | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """One zone's intensity over time, measured or expected; what is not known has no point.

    Attributes:
        points: in order of time; the first and the last may reach beyond what was asked for.
        published: when the forecast was made, or else read; None for measured values.
        band_share: how much of the truth is expected within the band, None where there is none.
        trouble: why there is no point, why some may be missing, or why the forecast should not be decided
            by, in one line.
        warning: why others than the ledger were asked, in one line.
    """

    zone: str
    points: Sequence[Point]
    kind: str | None = None
    scope: str | None = None
    source: str | None = None
    published: datetime | None = None
    band_share: float | None = None
    trouble: str | None = None
    warning: str | None = None

    @classmethod
    def of(
        cls, series: Series, window: Interval, issue: Issue | None = None, trouble: str | None = None
    ) -> Self:
        """Return the part of a series within a window, with its issue's band where it is a forecast."""
        band = None if issue is None else issue.band
        places = [place for place, value in enumerate(series.values) if value == value]  # noqa: PLR0124 - NaN
        points = tuple(
            Point(
                step.interval.start,
                step.interval.end,
                step.g_per_kwh,
                None if band is None else float(band.low[place]),
                None if band is None else float(band.high[place]),
                step.estimated,
            )
            for place, step in zip(places, series.steps(), strict=True)
            if step.interval.end > window.start and step.interval.start < window.end
        )
        return cls(
            series.zone,
            points,
            str(series.nature.kind),
            str(series.nature.scope),
            series.source,
            None if issue is None else issue.published,
            None if band is None else band.share,
            trouble,
        )

    @classmethod
    def unknown(cls, zone: str, trouble: str) -> Self:
        """Return the curve of which nothing is known."""
        return cls(zone, (), trouble=trouble)

    def to_pandas(self) -> pd.DataFrame:
        """Return a table, a row a point, indexed by ``start``; ``attrs`` has zone, kind, scope and source.

        Raises:
            UnavailableError: pandas is not installed.
        """
        pandas = _pandas()
        names = list(Point.__slots__)
        rows = [[getattr(point, name) for name in names] for point in self.points]
        table: pd.DataFrame = pandas.DataFrame(rows, columns=names)
        for name in ("start", "end"):
            table[name] = pandas.to_datetime(table[name], utc=True)
        numbers = ["g_per_kwh", "low_g_per_kwh", "high_g_per_kwh"]
        table = table.astype(dict.fromkeys(numbers, float)).set_index("start")
        table.attrs = {name: getattr(self, name) for name in ("zone", "kind", "scope", "source", "published")}
        return table


@dataclass(frozen=True, slots=True)
class BestWindow:
    """When work would meet the least carbon in one zone.

    Attributes:
        mean_g_per_kwh: over the window.
        low_g_per_kwh: mean of the band's lower ends over it, None where the forecast has no band.
        high_g_per_kwh: mean of its upper ends.
        if_now_g_per_kwh: mean over the same length from now on, by the same forecast; None where unknown.
        saved_percent: what waiting saves against that.
        latest_start: the last start that was compared; nothing is assumed behind the forecast's end.
        warning: why others than the ledger were asked, in one line.
    """

    zone: str
    start: datetime
    end: datetime
    mean_g_per_kwh: float
    low_g_per_kwh: float | None
    high_g_per_kwh: float | None
    if_now_g_per_kwh: float | None
    saved_percent: float | None
    latest_start: datetime
    kind: str
    scope: str
    source: str
    published: datetime
    warning: str | None = None

    @classmethod
    def of(cls, zone: str, best: Best, issue: Issue) -> Self:
        """Return the value for a window that was found by a forecast."""
        nature = issue.series.nature
        return cls(
            zone,
            best.window.start,
            best.window.end,
            best.mean,
            best.low,
            best.high,
            best.mean_at_once,
            best.saved_percent,
            best.last_start,
            str(nature.kind),
            str(nature.scope),
            issue.series.source,
            issue.published,
        )

    def to_pandas(self) -> pd.Series:
        """Return it as a series, one entry a field.

        Raises:
            UnavailableError: pandas is not installed.
        """
        series: pd.Series = _pandas().Series(asdict(self), name=self.zone)
        return series


@dataclass(frozen=True, slots=True)
class MixOfNow:
    """From what a zone's electricity is made.

    Attributes:
        shares: of each fuel that has any, together 1; empty where unknown.
        megawatts: all of it, None where the source gives shares only.
        trouble: why it is unknown, in one line.
    """

    zone: str
    shares: Mapping[str, float] = field(default_factory=dict)
    source: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    megawatts: float | None = None
    trouble: str | None = None

    @classmethod
    def of(cls, mix: Mix) -> Self:
        """Return the value for a provider's mix."""
        shares = {str(fuel): share for fuel, share in mix.shares.items()}
        return cls(mix.zone, shares, mix.source, mix.interval.start, mix.interval.end, mix.megawatts)

    @classmethod
    def unknown(cls, zone: str, trouble: str) -> Self:
        """Return the mix that nobody told."""
        return cls(zone, trouble=trouble)

    def to_pandas(self) -> pd.Series:
        """Return the shares, indexed by fuel, the largest first.

        Raises:
            UnavailableError: pandas is not installed.
        """
        series: pd.Series = _pandas().Series(dict(self.shares), name=self.zone, dtype=float)
        series.index.name = "fuel"
        return series.sort_values(ascending=False)


def _pandas() -> ModuleType:
    try:
        import pandas as pd  # noqa: PLC0415 - an extra, and 0.5 s
    except ImportError as error:
        raise UnavailableError("tables need pandas: pip install 'carbonslurm[pandas]'") from error
    return pd
