"""Every issue and every measured value, as published, and the picture that they make together.

A window's intensity is painted in layers, later over earlier (``painting``): our own issues, then the
providers', each in the order in which they were published, then the measured values in the order in which
they were stored. So a measured value hides every forecast, a revision hides what it revises, and steps of
different length may overlap. What only an issue covers is an estimate. ``actual`` paints measured values
alone.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, case, func, select

from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.painted import Painted
from carbonslurm.ledger.database import Room
from carbonslurm.ledger.encoding import Columns, nature_columns
from carbonslurm.ledger.issues import keep_issue, published_at, read_issues
from carbonslurm.ledger.news import concern
from carbonslurm.ledger.painting import painted
from carbonslurm.ledger.pictures import measured_layers, measured_within, natures_within, picture_of
from carbonslurm.ledger.tables import INTENSITY, ISSUE
from carbonslurm.ports import ArchivedSource, Revision


class ArchiveReader(Room):
    """What is known of a zone's electricity."""

    # --- forecasts ---

    def newest_issue(self, zone: str) -> Issue | None:
        """Return the zone's latest published forecast, of whatever source.

        Raises:
            LedgerError: it could not be read.
        """
        newest = (
            select(ISSUE)
            .where(ISSUE.c.zone == zone)
            .order_by(published_at.desc(), ISSUE.c.fetched_at.desc(), ISSUE.c.id.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            found = read_issues(connection, connection.execute(newest).all())
        return found[0] if found else None

    def newest_issues(self, zone: str, since: datetime, until: datetime | None = None) -> Sequence[Issue]:
        """Return the latest published forecast of each source and nature, of those read since a moment.

        Args:
            zone: the site's name.
            since: what was last read before is left out.
            until: one published later is from the future, by a clock that was wrong, and stands behind all
                others: it must not hide them until then. None for no limit.

        Raises:
            LedgerError: it could not be read.
        """
        newest_first = (published_at.desc(), ISSUE.c.fetched_at.desc(), ISSUE.c.id.desc())
        ahead = () if until is None else (case((published_at > until, 1), else_=0),)
        rank = func.row_number().over(
            partition_by=(ISSUE.c.source, ISSUE.c.kind, ISSUE.c.scope), order_by=(*ahead, *newest_first)
        )
        recent = (ISSUE.c.zone == zone, ISSUE.c.fetched_at >= since)
        ranked = select(ISSUE.c.id, rank.label("rank")).where(*recent).subquery()
        newest = select(ISSUE).join(ranked, ranked.c.id == ISSUE.c.id).where(ranked.c.rank == 1)
        with self._database.reading() as connection:
            return read_issues(connection, connection.execute(newest.order_by(ISSUE.c.id)).all())

    def issues(self, zone: str, window: Interval, source: str | None = None) -> Sequence[Issue]:
        """Return the forecasts published within a window, the earliest first.

        Args:
            zone: the site's name.
            window: of publication.
            source: only this one's; None for all.

        Raises:
            LedgerError: it could not be read.
        """
        # Nothing is read before it is published, but by a clock that is wrong: an index finds what was read.
        wanted = [ISSUE.c.zone == zone, ISSUE.c.fetched_at >= window.start]
        wanted += [published_at >= window.start, published_at < window.end]
        wanted += [] if source is None else [ISSUE.c.source == source]
        order = (published_at, ISSUE.c.fetched_at, ISSUE.c.id)
        with self._database.reading() as connection:
            rows = connection.execute(select(ISSUE).where(*wanted).order_by(*order)).all()
            return read_issues(connection, rows)

    # --- what was measured ---

    def actual(self, zone: str, nature: Nature, window: Interval, source: str | None = None) -> Series | None:
        """Return the newest measured values of a window, in g/kWh; None where there is none.

        No forecast is among them, and what was not measured is unknown. Steps may reach beyond the window.

        Args:
            zone: the site's name.
            nature: kind and scope.
            window: of which values are wanted.
            source: only this one's; None for all.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            return painted(zone, nature, measured_layers(connection, zone, nature, window, source))

    def revisions(self, zone: str, nature: Nature, window: Interval) -> Sequence[Revision]:
        """Return every measured value of a window, in the order in which they were stored.

        Raises:
            LedgerError: it could not be read.
        """
        wanted = select(INTENSITY).where(*measured_within(zone, nature, window)).order_by(INTENSITY.c.id)
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        return [
            Revision(
                row.source,
                Step(Interval(row.starts_at, row.ends_at), row.g_per_kwh, row.estimated),
                row.recorded_at,
            )
            for row in rows
        ]

    def unmeasured(self, zone: str, source: str, window: Interval) -> Sequence[Interval]:
        """Return the parts of a window for which a source's measured values are not kept, in order.

        Raises:
            LedgerError: it could not be read.
        """
        table = INTENSITY.c
        wanted = (
            select(table.starts_at, table.ends_at)
            .where(table.zone == zone, table.source == source)
            .where(table.ends_at > window.start, table.starts_at < window.end)
            .distinct()
            .order_by(table.starts_at, table.ends_at)
        )
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        ends = [window.start]  # the latest end of what came before each step
        for row in rows:
            ends.append(max(ends[-1], row.ends_at))
        starts = [*(row.starts_at for row in rows), window.end]
        return [Interval(end, start) for end, start in zip(ends, starts, strict=True) if start > end]

    # --- both ---

    def sources(self, zone: str) -> Sequence[ArchivedSource]:
        """Return who said anything about a zone, by name and nature.

        Raises:
            LedgerError: it could not be read.
        """
        told = (ISSUE.c.source, ISSUE.c.kind, ISSUE.c.scope)
        said = select(*told, func.count(), func.max(published_at)).where(ISSUE.c.zone == zone).group_by(*told)
        by = (INTENSITY.c.source, INTENSITY.c.kind, INTENSITY.c.scope)
        spans = select(*by, func.min(INTENSITY.c.starts_at), func.max(INTENSITY.c.ends_at))
        with self._database.reading() as connection:
            issued = {tuple(row[:3]): row[3:] for row in connection.execute(said)}
            measured = {
                tuple(row[:3]): Interval(row[3], row[4])
                for row in connection.execute(spans.where(INTENSITY.c.zone == zone).group_by(*by))
            }
        return [
            ArchivedSource(
                source=key[0],
                nature=Nature(Kind(key[1]), Scope(key[2])),
                issues=issued[key][0] if key in issued else 0,
                issued=issued[key][1] if key in issued else None,
                measured=measured.get(key),
            )
            for key in sorted({*issued, *measured})
        ]

    def intensity(self, zone: str, nature: Nature, window: Interval) -> Series | None:
        """Return what is known of a window, in g/kWh; None where nothing is.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            picture = picture_of(connection, zone, nature, window)
        return None if picture is None else picture.series()

    def pictures(self, zone: str, window: Interval) -> Sequence[Painted]:
        """Return what is known of a window in each nature that has any value in it; steps may reach beyond.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            pictures = [
                picture_of(connection, zone, nature, window)
                for nature in natures_within(connection, zone, window)
            ]
        return [picture for picture in pictures if picture is not None]

    def natures(self, zone: str, window: Interval) -> Sequence[Nature]:
        """Return the natures in which a window has any value, the best covered first.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            seconds = {
                nature: picture.known_seconds(window)
                for nature in natures_within(connection, zone, window)
                if (picture := picture_of(connection, zone, nature, window)) is not None
            }
        known = [nature for nature in seconds if seconds[nature] > 0]
        return sorted(known, key=lambda nature: (-seconds[nature], str(nature)))


class Archive(ArchiveReader):
    """The daemon's side: keeps what the sources say."""

    def keep_issue(self, issue: Issue) -> None:
        """Store one forecast; see ``keep_issues``."""
        self.keep_issues([issue])

    def keep_issues(self, issues: Sequence[Issue]) -> None:
        """Store forecasts, each once, however often it is offered; offered again, it is known to stand still.

        All are stored or none; one transaction takes less than half the time of one for each (docs/bench.md).

        Raises:
            DataError: one has no value at all, or a time without a zone.
            LedgerError: they could not be written.
        """
        with self._database.writing() as connection:
            for issue in issues:
                keep_issue(connection, issue)

    def keep_actual(self, series: Series, recorded_at: datetime) -> None:
        """Store measured values; a revised one is added, one that says nothing new is not.

        Raises:
            DataError: a time without a zone.
            LedgerError: it could not be written.
        """
        identity = _identity(series)
        with self._database.writing() as connection:
            old = _stored_steps(connection, identity, Interval(series.start, series.horizon))
            new = [
                {**identity, **_step_columns(step), "recorded_at": recorded_at}
                for step in series.steps()
                if old.get(step.interval) != (step.g_per_kwh, step.estimated)
            ]
            if new:
                self._database.place.insert(connection, INTENSITY, new)
                spans = [(row["starts_at"], row["ends_at"]) for row in new]
                concern(connection, series.zone, spans, measured=True)


def _identity(series: Series) -> Columns:
    return {"zone": series.zone, "source": series.source, **nature_columns(series.nature)}


def _step_columns(step: Step) -> Columns:
    return {
        "starts_at": step.interval.start,
        "ends_at": step.interval.end,
        "g_per_kwh": step.g_per_kwh,
        "estimated": step.estimated,
    }


def _stored_steps(
    connection: Connection, identity: Columns, window: Interval
) -> dict[Interval, tuple[float, bool]]:
    """Return the newest stored value of each step: rows come in order, so later ones replace earlier."""
    rows = connection.execute(
        select(INTENSITY.c.starts_at, INTENSITY.c.ends_at, INTENSITY.c.g_per_kwh, INTENSITY.c.estimated)
        .where(*(INTENSITY.c[name] == value for name, value in identity.items()))
        .where(INTENSITY.c.ends_at > window.start, INTENSITY.c.starts_at < window.end)
        .order_by(INTENSITY.c.id)
    )
    return {Interval(start, end): (value, estimated) for start, end, value, estimated in rows}
