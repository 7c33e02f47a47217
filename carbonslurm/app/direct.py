"""Asking providers directly, for somebody who looks: nothing is written down, and nobody is asked too often.

What was said is kept on a shelf for as long as the process lives; else it is the daemon's way: the chain of
sources, history piece by piece, and a forecast of our own where no source gives one.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from carbonslurm.app.asking import HISTORY, Asking, NoBook, paces
from carbonslurm.app.backfill import Backfill
from carbonslurm.app.fetch import Chain
from carbonslurm.app.filling import Filling, in_person
from carbonslurm.app.forecasting import Forecasting
from carbonslurm.app.shelf import Shelf
from carbonslurm.core.choice import CLOCK_TOLERANCE, LOOK_BACK, ForecastRules, OwnForecast, choose, order_of
from carbonslurm.core.interval import Interval
from carbonslurm.core.mix import Mix
from carbonslurm.errors import DataError, RefusedError, UnavailableError
from carbonslurm.ports import MixSource, Offer

# Who asks is told what failed, so that it need not be in a log as well.
_UNHEARD = logging.Logger(__name__, logging.CRITICAL)  # noqa: LOG001 - of no tree, so that nobody hears it
LEARNT_FROM = timedelta(days=28)  # of history that our own forecaster is given: more takes longer to ask for


@dataclass(slots=True)
class Direct:
    """The providers of some zones, and the shelf with what they said.

    Attributes:
        offers: of each zone, in order of preference.
        rules: how old a forecast may be, and whose comes first.
        clock: returns the current time.
        wait: waits for so long, between two pieces of history.
        shelf: what is known.
    """

    offers: Mapping[str, Sequence[Offer]]
    rules: ForecastRules
    clock: Callable[[], datetime]
    wait: Callable[[timedelta], None]
    shelf: Shelf = field(default_factory=Shelf)
    _asking: Asking = field(init=False)
    _mixes: dict[tuple[str, str], tuple[datetime, Mix]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        every = [offer for offers in self.offers.values() for offer in offers]
        self._asking = Asking(NoBook(), in_person(paces(every, timedelta())), self.clock, lambda: 0.0)

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones that can be asked about."""
        return tuple(self.offers)

    def ask(self, zone: str) -> list[str]:
        """Ask for a zone's newest values and forecast; return what went wrong, a line for each question.

        A zone without a forecast that could be used gets one of ours, where there is enough history.
        """
        sources = [source for offer in self.offers[zone] for source in offer.sources]
        results = Chain(sources, self.shelf, self._asking, self.rules.max_age, log=_UNHEARD).run()
        failures = [f"{zone}: {each.source}: {each.failure}" for each in results if each.failure is not None]
        failures = failures or self._remembered(zone)
        if self._has_forecast(zone) or self._is_silent(zone):
            return failures
        return [*failures, *self._forecast(zone)]

    def ask_history(self, zone: str, window: Interval) -> list[str]:
        """Ask for what is missing of a zone's measured values; return what went wrong, a line a provider.

        Providers of which nothing has come yet, since they are away or refuse us, are not asked once more.
        """
        if self._is_silent(zone):
            return []
        histories = [offer.history for offer in self.offers[zone] if offer.history is not None]
        filling = Filling(Backfill(histories, self.shelf, self._asking, window.length), [zone], self.wait)
        found = []
        for key, source in filling.histories():
            steps = list(filling.walk(key, source, window))
            found.append(filling.result(key, window, steps))
        return [f"{zone}: {each.source}: {each.trouble}" for each in found if each.trouble is not None]

    def mix(self, zone: str) -> Mix:
        """Return the newest mix of a zone, of the first provider that gives one.

        Raises:
            DataError: no provider of the zone knows of mixes, or what it says is not believable.
            RefusedError: it says no.
            UnavailableError: there was no answer.
        """
        sources = [offer.mix for offer in self.offers[zone] if offer.mix is not None]
        if not sources:
            raise DataError(f"{zone}: no provider of this zone says what its electricity is made from")
        for source in sources[:-1]:
            try:
                return self._mix(source)
            except (DataError, RefusedError, UnavailableError):
                continue  # the next one may know; the last one's error is raised
        try:
            return self._mix(sources[-1])
        except (DataError, RefusedError) as error:
            raise type(error)(f"{zone}: {sources[-1].name}: {error}") from error
        except UnavailableError as error:
            raise UnavailableError(f"{zone}: {sources[-1].name}: {error}") from error

    def _mix(self, source: MixSource) -> Mix:
        """Return a provider's mix; what it said within its own interval stands."""
        now, key = self.clock(), (source.name, source.zone)
        known = self._mixes.get(key)
        if known is None or now - known[0] >= source.terms.every:
            known = self._mixes[key] = (now, source.mix(now))
        return known[1]

    def _remembered(self, zone: str) -> list[str]:
        """Return why the questions failed that are left alone for it now, a line for each."""
        known = [
            (key, each) for key, each in self._asking.known.items() if key.zone == zone and each.failures
        ]
        return [f"{zone}: {key.provider}: {each.reason}" for key, each in known if key.question != HISTORY]

    def _is_silent(self, zone: str) -> bool:
        """Whether all questions about a zone have failed."""
        asked = [each for key, each in self._asking.known.items() if key.zone == zone]
        return bool(asked) and all(each.answered_at is None for each in asked)

    def _has_forecast(self, zone: str) -> bool:
        now = self.clock()
        issues = self.shelf.newest_issues(zone, now - LOOK_BACK, now + CLOCK_TOLERANCE)
        return choose(issues, self.rules.order.get(zone), now, self.rules.max_age).issue is not None

    def _forecast(self, zone: str) -> list[str]:
        """Put a forecast of our own on the shelf, where there is enough history for it."""
        now = self.clock()
        failures = self.ask_history(zone, Interval(now - LEARNT_FROM, now))
        order = self.rules.order.get(zone) or order_of(self._names(zone), OwnForecast.FALLBACK)
        rules = ForecastRules(self.rules.max_age, {zone: order})
        Forecasting(self.shelf, rules, OwnForecast.FALLBACK, self.clock).run()
        return failures

    def _names(self, zone: str) -> list[str]:
        return [source.name for offer in self.offers[zone] for source in offer.sources]
