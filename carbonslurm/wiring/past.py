"""The site's past: its cluster as it is now, and what it accounted for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from carbonslurm.wiring.slurm import slurm_environment, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from carbonslurm.config import Config
    from carbonslurm.formats.cluster_nodes import ClusterNode
    from carbonslurm.ports import Accounting

OF_SACCT = timedelta(minutes=30)  # a year of a large site


def past_accounting(config: Config, log: Callable[[str], None]) -> Accounting:
    """Return sacct, with the time that a long history takes."""
    from carbonslurm.slurm.queue import SlurmAccounting
    from carbonslurm.slurm.wire import Wire

    return SlurmAccounting(Wire(OF_SACCT, slurm_environment(config)), config.cluster, log)


def cluster_nodes(config: Config) -> Sequence[ClusterNode]:
    """Return the nodes of the cluster, by one call.

    Raises:
        UnavailableError: slurmctld is away.
    """
    from carbonslurm.formats.cluster_nodes import nodes_argv, read_nodes

    return read_nodes(wire(config).read(nodes_argv()).text)
