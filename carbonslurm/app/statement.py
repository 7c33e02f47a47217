"""A statement: what a user, a group or a site puts into its annual report.

Runs count by their start, so that the statements of twelve months add up to that of their year. Charts and
tables speak of one nature of grams, that of most of the energy; what is of another is named, never added.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from carbonslurm.app.cluster_totals import GroupTotals
from carbonslurm.app.report import Books, Totals, month_starts, month_text, total
from carbonslurm.core.forecast import Nature, Series
from carbonslurm.core.going import RunningSum
from carbonslurm.core.interval import Interval, from_epoch
from carbonslurm.core.load import HourProfile, hour_profile, known_mean
from carbonslurm.ports import BesideSum, LoadReader, RunFilter, RunSum

SHOWN = 12  # rows of a table; what is less comes together as the rest
REST = "all others"
SHOWN_BY = ("user", "account", "partition")
PARTED = (*SHOWN_BY, "month", "zone")
Groups = Mapping[str, Sequence[RunSum]]


class StatementReader(LoadReader, Protocol):
    """What a statement asks of the ledger besides sums."""

    def actual(self, zone: str, nature: Nature, window: Interval, source: str | None = None) -> Series | None:
        """Return the newest measured values of a window, in g/kWh; None where there is none."""


@dataclass(frozen=True, slots=True)
class Month:
    """One month of a statement; ``grid`` is the grid's mean intensity in it, None where unknown."""

    name: str
    totals: Totals
    grid: float | None


@dataclass(frozen=True, slots=True)
class Method:
    """How some of the figures came about.

    Attributes:
        energy: who measured it, or modelled.
        quality: of it: measured, partly or modelled.
        source: of the intensity.
        values: of it: measured or estimated.
    """

    energy: str
    quality: str
    source: str
    values: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class Statement:
    """What a report says.

    Attributes:
        who: whose jobs, in words.
        cluster: where they ran.
        window: when they started.
        made_at: when this was worked out.
        nature: of all grams but those in ``others``; None where there are none.
        whole: all runs of this nature, and those without figures.
        others: totals of runs with another nature, by its words.
        months: without a gap.
        groups: by user, account and partition, and by name of the job where it is about a person's or a
            group's jobs; those that emitted most first.
        methods: how the figures came about.
        zone: the grid zone of most of the energy, for the intensities.
        hours: when in the day energy was taken there; None where it was not.
        clocks: by whose clocks.
        beside: the same runs by intensities of another kind, never to be added.
        running: what those of the runs that still run have done so far; in no sum.
        machines: the machines with their idle nodes, where the statement is about everybody's jobs.
    """

    who: str
    cluster: str
    window: Interval
    made_at: datetime
    nature: str | None
    whole: Totals
    others: Mapping[str, Totals]
    months: Sequence[Month]
    groups: Mapping[str, Sequence[tuple[str, Totals]]]
    methods: Sequence[Method]
    zone: str | None
    hours: HourProfile | None
    clocks: str
    beside: Sequence[BesideSum] = ()
    running: Sequence[RunningSum] = ()
    machines: Sequence[GroupTotals] = ()


@dataclass(frozen=True, slots=True)
class Stating:
    """The parts of making a statement, and its story in ``state``."""

    books: Books
    reader: StatementReader

    def state(self, wanted: RunFilter, who: str, cluster: str, now: datetime) -> Statement:
        """Work out a statement.

        Args:
            wanted: which runs; ``started`` says when they started.
            who: whose they are, in words.
            cluster: where they ran, in words.
            now: the moment of doing so.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        window = wanted.started or Interval(now, now)
        sums = self.books.sums(wanted, PARTED)  # once: all totals are of these
        by_nature = _natures(sums)
        main = max(by_nature, key=lambda it: total(by_nature[it]).energy_kwh, default=None)
        by = {name: _by(sums, place, main) for place, name in enumerate(PARTED)}
        zones = {name: total(parts).energy_kwh for name, parts in by["zone"].items()}
        zone = max(sorted(zones), key=lambda name: zones[name], default=None)
        series = None
        if zone is not None and main is not None:
            series = self.reader.actual(zone, main, window)
        return Statement(
            who=who,
            cluster=cluster,
            window=window,
            made_at=now,
            nature=str(main) if main else None,
            whole=total(part for parts in by["user"].values() for part in parts),
            others={str(it): total(parts) for it, parts in by_nature.items() if it != main},
            months=_months(by["month"], window, series),
            groups={**{name: _largest(by[name]) for name in SHOWN_BY}, **self._by_name(wanted, main)},
            methods=self._methods(wanted, main),
            zone=zone,
            hours=self._hours(wanted, _partitions(sums, zone), series),
            clocks=window.start.astimezone().strftime("%Z"),
            beside=[it for it in self.books.reader.sums_beside(wanted) if it.own == main],
        )

    def _by_name(self, wanted: RunFilter, main: Nature | None) -> Mapping[str, Sequence[tuple[str, Totals]]]:
        """Return totals by what jobs were called, for one person or group: a site has too many names."""
        if not (wanted.users or wanted.accounts):
            return {}
        sums = self.books.sums(wanted, ("name",))
        return {"name": _largest({key: _mine(main, parts) for (key,), parts in sums.items()})}

    def _methods(self, wanted: RunFilter, main: Nature | None) -> Sequence[Method]:
        groups = self.books.sums(wanted, ("method", "quality", "source", "estimated"))
        found = [
            Method(energy, quality, source, values, total(_mine(main, parts)))
            for (energy, quality, source, values), parts in groups.items()
        ]
        return [method for method in found if method.totals.known]

    def _hours(
        self, wanted: RunFilter, partitions: tuple[str, ...], series: Series | None
    ) -> HourProfile | None:
        if not partitions:
            return None
        loads = self.reader.loads(replace(wanted, partitions=partitions))
        return hour_profile(loads, series, _local_hour) if len(loads) else None


def _natures(sums: Mapping[tuple[str, ...], Sequence[RunSum]]) -> Mapping[Nature, Sequence[RunSum]]:
    found: defaultdict[Nature, list[RunSum]] = defaultdict(list)
    for parts in sums.values():
        for part in parts:
            if part.nature is not None:
                found[part.nature].append(part)
    return dict(sorted(found.items(), key=lambda item: str(item[0])))


def _partitions(sums: Mapping[tuple[str, ...], Sequence[RunSum]], zone: str | None) -> tuple[str, ...]:
    """Return where runs of a zone ran."""
    places = [dict(zip(PARTED, key, strict=True)) for key in sums]
    return tuple(sorted({place["partition"] for place in places if place["zone"] == zone}))


def _by(sums: Mapping[tuple[str, ...], Sequence[RunSum]], place: int, main: Nature | None) -> Groups:
    """Return the sums by one of their names, without those of another nature."""
    found: defaultdict[str, list[RunSum]] = defaultdict(list)
    for key, parts in sums.items():
        found[key[place]] += _mine(main, parts)
    return dict(found)


def _months(groups: Groups, window: Interval, series: Series | None) -> Sequence[Month]:
    """Return the months of a window without a gap."""
    starts = month_starts(window.start, window.end)
    if starts and starts[-1] >= window.end:
        starts = starts[:-1]
    months = []
    for start, after in zip(starts, [*starts[1:], window.end], strict=True):
        name = month_text(start)
        span = Interval(max(start, window.start), max(after, window.start))
        mean = known_mean(series, span) if series is not None else None
        months.append(Month(name, total(groups.get(name, ())), mean))
    return months


def _largest(groups: Groups) -> Sequence[tuple[str, Totals]]:
    """Return those that emitted most, and the rest together."""
    totals = {key: total(parts) for key, parts in groups.items()}
    ordered = sorted(totals, key=lambda key: (-(totals[key].emitted_g or 0.0), -totals[key].energy_kwh, key))
    rest = [part for key in ordered[SHOWN:] for part in groups[key]]
    return [*((key, totals[key]) for key in ordered[:SHOWN]), *([(REST, total(rest))] if rest else [])]


def _mine(main: Nature | None, parts: Sequence[RunSum]) -> list[RunSum]:
    """Leave out sums of another nature; those without grams stay."""
    return [part for part in parts if part.nature in {main, None}]


def _local_hour(moment: float) -> int:
    return from_epoch(moment).astimezone().hour
