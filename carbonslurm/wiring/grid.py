"""The use cases that look at the grid, with a ledger or without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbonslurm.wiring.carbon import asking, carbon_offers
from carbonslurm.wiring.clock import now
from carbonslurm.wiring.rules import forecast_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from carbonslurm.app.direct import Direct
    from carbonslurm.app.fetch import Chain
    from carbonslurm.app.filling import Filling
    from carbonslurm.config import Config
    from carbonslurm.ledger.writing import Ledger


def direct(zones: Iterable[str], config: Config | None = None) -> Direct:
    """Return the providers of some zones, to be asked directly: the configured ones, or those without a key.

    Raises:
        ConfigError: a configured source is wrong.
        UsageError: no provider can be asked about one of the zones without a key.
    """
    from carbonslurm.app.direct import Direct
    from carbonslurm.carbon.keyless import keyless
    from carbonslurm.core.choice import ForecastRules

    wanted = tuple(zones)
    if config is None:
        return Direct({zone: [keyless(zone)] for zone in wanted}, ForecastRules(), now, _wait)
    every = list(zip(config.sources, carbon_offers(config), strict=True))
    offers = {zone: [offer for source, offer in every if source.zone == zone] for zone in wanted}
    return Direct(offers, forecast_rules(config), now, _wait)


def _wait(length: timedelta) -> None:
    import time

    time.sleep(length.total_seconds())


def chain(config: Config, book: Ledger, zones: Sequence[str]) -> Chain:
    """Return the sources of some zones, to be asked now."""
    import logging

    from carbonslurm.app.fetch import Chain

    offers = carbon_offers(config)
    return Chain(
        sources=[source for offer in offers for source in offer.sources if source.zone in zones],
        archive=book,
        asking=asking(config, book, offers, beside=True),
        max_age=config.policy.forecast_age,
        log=logging.Logger(__name__, logging.CRITICAL),  # noqa: LOG001 - who asks says what came of it
    )


def filling(config: Config, book: Ledger, zones: Sequence[str]) -> Filling:
    """Return the history of some zones, for somebody who waits for it."""
    from carbonslurm.app.backfill import Backfill
    from carbonslurm.app.filling import Filling, in_person
    from carbonslurm.app.forecasting import DEPTH

    offers = carbon_offers(config)
    asked = asking(config, book, offers, beside=True)
    asked.paces = in_person(asked.paces)
    asked.begin()
    histories = [offer.history for offer in offers if offer.history is not None]
    return Filling(Backfill(histories, book, asked, DEPTH), zones, _wait)
