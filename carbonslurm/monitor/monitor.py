"""CarbonMonitor: the grid in notebooks and in training scripts.

A zone that the configuration names is read from the ledger, as carbonslurm's commands do; any other, and
every zone where there is no configuration, is asked about directly, of providers that need no key. Where the
ledger cannot be read the configured sources are asked, and ``warning`` says so. The values are frozen, have
their unit in their names, and carry kind and scope; unknown is None, and ``trouble`` says why. This module
stands on top, beside the commands: it only joins what others do.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from carbonslurm import wiring
from carbonslurm.app.outlook import candidate, outlook, ranked
from carbonslurm.config import default_path, load
from carbonslurm.core.interval import Interval, aware
from carbonslurm.core.tag import parse_duration
from carbonslurm.errors import CarbonslurmError, DataError, LedgerError, UsageError
from carbonslurm.monitor.values import BestWindow, Current, Curve, MixOfNow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from carbonslurm.app.direct import Direct
    from carbonslurm.app.outlook import Candidate, Outlook
    from carbonslurm.config import Config
    from carbonslurm.core.choice import ForecastRules
    from carbonslurm.ports import KnownCarbon


class CarbonMonitor:
    """What is known and expected of some zones' electricity.

    Args:
        zones: their names, as the configuration spells them; without one as in ``carbonslurm forecast
        zones``.
        config: the configuration's file. None for $CARBONSLURM_CONFIG or /etc/carbonslurm/carbonslurm.yaml
            where there is one, and for none where there is none.

    Raises:
        ConfigError: the configuration is wrong, or there is none at the path given.
        UsageError: no zone is named, or no provider can be asked about one of them.
    """

    def __init__(self, zones: Sequence[str], config: str | Path | None = None) -> None:
        if isinstance(zones, str) or not zones:
            raise UsageError('zones: expected a list of names, such as zones=["GB"]')
        self.zones = tuple(dict.fromkeys(zones))
        self._config = _load(config)
        configured = {source.zone for source in self._config.sources} if self._config else set()
        self._from_ledger = frozenset(zone for zone in self.zones if zone in configured)
        self._direct = wiring.direct(zone for zone in self.zones if zone not in configured)
        self._ledger_trouble: str | None = None
        self._failures: dict[str, list[str]] = {}

    def current(self) -> Mapping[str, Current]:
        """Return for each zone what holds now, or held until lately."""
        now = wiring.now()
        looks = self._looks(Interval(now - timedelta(hours=3), now))
        return {zone: self._current(look) for zone, look in looks.items()}

    def forecast(self, hours: float = 48, source: str | None = None) -> Mapping[str, Curve]:
        """Return for each zone what is expected of the next hours, or of as many as the forecast covers.

        Args:
            hours: how far ahead.
            source: whose forecast; None for the preferred one that can be used.
        """
        now = wiring.now()
        window = Interval(now, now + timedelta(hours=hours))
        looks = self._looks(window, source=source)
        return {zone: self._expected(look, window) for zone, look in looks.items()}

    def history(self, start: datetime, end: datetime | None = None) -> Mapping[str, Curve]:
        """Return for each zone what was measured from ``start`` to ``end``, without what is not known.

        Args:
            start: aware.
            end: aware; None for now.

        Raises:
            DataError: a time has no time zone, or the end lies before the start.
        """
        now = wiring.now()
        window = Interval(aware(start), aware(end) if end is not None else now)
        looks = self._looks(window, history=True)
        return {zone: self._measured(look, window) for zone, look in looks.items()}

    def mix(self) -> Mapping[str, MixOfNow]:
        """Return for each zone from what its electricity is made now; its provider is asked directly."""
        return {zone: self._mix(zone) for zone in self.zones}

    def best_windows(self, duration: timedelta | str, before: datetime | None = None) -> Sequence[BestWindow]:
        """Return the best window of each zone that has one; of each kind and scope the cleanest first.

        Args:
            duration: of the work, ``"8h"`` or a timedelta.
            before: when it must have ended, aware; None for the end of each forecast.

        Raises:
            UsageError: the duration cannot be read.
        """
        return self._windows(self._candidates(duration, before))

    def best_window(self, duration: timedelta | str, before: datetime | None = None) -> BestWindow:
        """Return when, and of several zones where, work of some length would meet the least carbon.

        Args:
            duration: of the work, ``"8h"`` or a timedelta.
            before: when it must have ended, aware; None for the end of each forecast.

        Raises:
            DataError: no forecast covers a whole window; or the zones' figures are of different kind or
                scope, so that there is no best of them: ask ``best_windows``.
            UsageError: the duration cannot be read.
        """
        candidates = self._candidates(duration, before)
        found = self._windows(candidates)
        if not found:
            said = (self._why_no_window(each) for each in candidates)
            raise DataError(f"no window is known: {'; '.join(said)}")
        natures = sorted({f"{each.kind}, {each.scope}" for each in found})
        if len(natures) > 1:
            raise DataError(f"the zones' figures cannot be compared: they are {' and '.join(natures)}")
        return found[0]

    def _candidates(self, duration: timedelta | str, before: datetime | None) -> list[Candidate]:
        length = parse_duration(duration) if isinstance(duration, str) else duration
        if not isinstance(length, timedelta):
            raise UsageError('duration: expected a duration such as "8h", or a timedelta')
        if length <= timedelta():
            raise UsageError("duration: expected more than nothing")
        now = wiring.now()
        looks = self._looks(Interval(now, now + length)).values()
        deadline = None if before is None else aware(before)
        groups = ranked(candidate(look, length, deadline) for look in looks)
        return [each for group in groups.values() for each in group]

    # --- one zone

    def _current(self, look: Outlook) -> Current:
        now = look.current
        trouble = None if now is not None else self._why(look, "nothing is known of now")
        return replace(Current.of(look.zone, look.nature, now, trouble), warning=self._warning(look.zone))

    def _expected(self, look: Outlook, window: Interval) -> Curve:
        if look.issue is None:
            found = Curve.unknown(look.zone, self._why(look, look.trouble) or "no forecast")
        else:
            found = Curve.of(look.issue.series, window, look.issue, look.trouble)
        return replace(found, warning=self._warning(look.zone))

    def _measured(self, look: Outlook, window: Interval) -> Curve:
        if look.measured is None:
            found = Curve.unknown(look.zone, self._why(look, None) or "nothing was measured")
        else:
            found = Curve.of(look.measured, window, trouble=self._why(look, None))
        return replace(found, warning=self._warning(look.zone))

    def _windows(self, candidates: Iterable[Candidate]) -> list[BestWindow]:
        return [
            replace(BestWindow.of(zone, each.best, each.look.issue), warning=self._warning(zone))
            for each in candidates
            if each.best is not None and each.look.issue is not None
            for zone in [each.look.zone]
        ]

    def _why_no_window(self, each: Candidate) -> str:
        """Return why a zone has no best window: what is wrong with its forecast, or why it has none."""
        zone = each.look.zone
        why = self._why(each.look, each.trouble) if each.look.issue is None else each.trouble
        return why if why and why.startswith(f"{zone}: ") else f"{zone}: {why}"

    def _mix(self, zone: str) -> MixOfNow:
        try:
            return MixOfNow.of(self._providers(zone).mix(zone))
        except CarbonslurmError as error:
            return MixOfNow.unknown(zone, str(error))

    def _why(self, look: Outlook, otherwise: str | None) -> str | None:
        """Return what went wrong in asking, or else what is known of it."""
        return "; ".join(self._failures.get(look.zone, [])) or otherwise

    def _warning(self, zone: str) -> str | None:
        """Return why the configured sources were asked instead of the ledger; None where they were not."""
        if self._ledger_trouble is None or zone not in self._from_ledger:
            return None
        return f"{self._ledger_trouble}: the configured sources were asked instead"

    # --- who is asked

    def _looks(
        self, window: Interval, *, source: str | None = None, history: bool = False
    ) -> dict[str, Outlook]:
        now = wiring.now()
        found: dict[str, Outlook] = {}
        self._failures = {}
        for zone in self.zones:
            with self._known(zone, window if history else None) as (known, rules):
                found[zone] = outlook(known, zone, now, window, rules, source)
        return found

    @contextmanager
    def _known(self, zone: str, history: Interval | None) -> Iterator[tuple[KnownCarbon, ForecastRules]]:
        config = self._config
        if config is not None and zone in self._from_ledger and self._ledger_trouble is None:
            try:
                book = wiring.reading(config)
            except LedgerError as error:
                self._ledger_trouble = str(error)
            else:
                with book:
                    yield book, wiring.forecast_rules(config)
                return
        providers = self._providers(zone)
        failures = providers.ask(zone)
        failures += providers.ask_history(zone, history) if history is not None else []
        self._failures[zone] = list(dict.fromkeys(failures))
        yield providers.shelf, providers.rules

    def _providers(self, zone: str) -> Direct:
        return self._configured if zone in self._from_ledger else self._direct

    @cached_property
    def _configured(self) -> Direct:
        """The configured sources; made only where they are asked, since not all may read their keys."""
        return wiring.direct(self._from_ledger, self._config)


def _load(path: str | Path | None) -> Config | None:
    if path is not None:
        return load(Path(path))
    return load(default_path()) if default_path().exists() else None
