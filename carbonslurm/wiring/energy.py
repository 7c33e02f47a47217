"""Whoever has meters, and as whom they are asked."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from carbonslurm.wiring.clock import now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from carbonslurm.app.measuring import Measuring
    from carbonslurm.config import Config
    from carbonslurm.config.sections import PrometheusConfig
    from carbonslurm.energy.prometheus import PrometheusSource
    from carbonslurm.ledger.writing import Ledger


def measuring(config: Config, book: Ledger, log: Callable[[str], None]) -> Measuring:
    """Return what asks about the runs that ended."""
    from carbonslurm.app.measuring import Measuring

    return Measuring(config.cluster, energy_sources(config), book, now, log)


def energy_sources(config: Config) -> list[PrometheusSource]:
    """Return the queries of the site's Prometheus, none where it has none.

    Raises:
        ConfigError: a query names what we do not know.
    """
    meters = config.energy.prometheus
    if meters is None:
        return []
    from carbonslurm.core.energy import Covers
    from carbonslurm.energy.prometheus import PrometheusSource, Query

    queries = [
        Query(it.name, it.query, it.unit, Covers(it.covers), frozenset(it.partitions))
        for it in meters.queries
    ]
    timeout = timedelta(seconds=meters.timeout.total_seconds())
    return [PrometheusSource(meters.url, query, _headers(meters), timeout) for query in queries]


def _headers(meters: PrometheusConfig) -> Callable[[], Mapping[str, str]]:
    """Return what makes the header that says who we are, from the secret's file as it then is."""
    from base64 import b64encode

    from carbonslurm.carbon.secret import Secret

    def headers() -> Mapping[str, str]:
        if meters.token_file is not None:
            token = Secret("energy.prometheus.token_file", meters.token_file).read()
            return {"Authorization": f"Bearer {token}"}
        if meters.user is not None and meters.password_file is not None:
            password = Secret("energy.prometheus.password_file", meters.password_file).read()
            login = b64encode(f"{meters.user}:{password}".encode()).decode()
            return {"Authorization": f"Basic {login}"}
        return {}

    return headers
