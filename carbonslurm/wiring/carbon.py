"""Where intensities come from: providers, asked in turn, and our own forecasts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from carbonslurm.wiring.clock import now
from carbonslurm.wiring.rules import forecast_rules, provider_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from carbonslurm.app.asking import Asking
    from carbonslurm.app.backfill import Backfill
    from carbonslurm.app.forecasting import Forecasting
    from carbonslurm.app.supply import Supply
    from carbonslurm.config import Config
    from carbonslurm.ledger.writing import Ledger
    from carbonslurm.ports import AskedBook, CarbonSource, Offer

LONGEST_BETWEEN_ROUNDS = timedelta(minutes=1)  # of asking the sources whose turn it is
AHEAD_ROUNDS = 2  # a forecast that is too old by then is replaced now


def carbon_offers(config: Config) -> Sequence[Offer]:
    """Return what every configured provider gives, in order."""
    from carbonslurm.carbon import offer
    from carbonslurm.errors import ConfigError

    found: list[Offer] = []
    for index, source in enumerate(config.sources):
        options = msgspec.structs.asdict(source)
        provider = provider_of(source)
        try:
            found.append(offer(provider, options))
        except ConfigError as error:
            raise ConfigError(f"sources[{index}].{error}") from error
    return found


def unreadable_secrets(config: Config) -> Sequence[str]:
    """Return for each secret of a source that this account cannot read why, in one line each."""
    from carbonslurm.carbon.secret import Secret
    from carbonslurm.errors import RefusedError, UnavailableError

    named = [
        (index, Secret(option, file))
        for index, source in enumerate(config.sources)
        for option in ("token_file", "password_file")
        if (file := getattr(source, option, None)) is not None
    ]
    found: list[str] = []
    for index, secret in named:
        try:
            secret.read()
        except (RefusedError, UnavailableError) as error:
            found.append(f"sources[{index}].{error}")
    return found


def carbon_sources(config: Config) -> Sequence[CarbonSource]:
    """Return every configured source, in order."""
    return [source for offer in carbon_offers(config) for source in offer.sources]


def between_rounds(config: Config) -> timedelta:
    """Return from one round of the chain to the next: one that failed is not left for a whole interval."""
    return min(config.cycle.fetch, LONGEST_BETWEEN_ROUNDS)


def asking(config: Config, book: AskedBook, offers: Sequence[Offer], *, beside: bool = False) -> Asking:
    """Return the memory of asking these providers, and the way to ask them, as the daemon or beside it."""
    import random

    from carbonslurm.app.asking import Asking, paces

    interval = timedelta(seconds=config.cycle.fetch.total_seconds())
    return Asking(book, paces(offers, interval), now, random.SystemRandom().random, beside=beside)


def supply(config: Config, book: Ledger, ends: Callable[[], bool]) -> Supply:
    """Return what keeps the archive supplied, until it is to end."""
    from carbonslurm.app.fetch import Chain
    from carbonslurm.app.supply import Supply

    offers = carbon_offers(config)
    asked = asking(config, book, offers)
    chain = Chain(
        sources=[source for offer in offers for source in offer.sources],
        archive=book,
        asking=asked,
        max_age=config.policy.forecast_age,
        ahead=AHEAD_ROUNDS * between_rounds(config),
    )
    return Supply(chain, backfill(config, book, asked, offers), forecasting(config, book), now, ends)


def backfill(config: Config, book: Ledger, asked: Asking, offers: Sequence[Offer]) -> Backfill:
    """Return what fetches history, so far as our own forecasts need it."""
    from carbonslurm.app.backfill import Backfill
    from carbonslurm.app.forecasting import DEPTH

    own = config.policy.own_forecast != "never"
    histories = [offer.history for offer in offers if offer.history is not None]
    return Backfill(histories if own else [], book, asked, DEPTH)


def forecasting(config: Config, book: Ledger) -> Forecasting:
    """Return what makes our own forecasts."""
    from carbonslurm.app.forecasting import Forecasting
    from carbonslurm.core.choice import OwnForecast

    return Forecasting(book, forecast_rules(config), OwnForecast(config.policy.own_forecast), now)
