"""What machines do while nobody computes on them: idle nodes, their energy, and what they make of a saving.

A node that waits draws power, too, and waiting jobs leave nodes waiting. So a cluster saves less than its
jobs do. With u the utilisation and r a node's idle power over its full power, its relative saving is

    the jobs' relative saving x u (1 - r) / (r + u (1 - r))

since only the share of the energy that follows the work can be moved (docs/figures.md, equation 5). Idle
nodes are counted by what runs held: a run that holds half of a node's GPUs leaves half a node idle.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Floats, Series
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import Tres

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes that are all alike.

    Attributes:
        count: how many there are.
        cpus: Slurm's CPUs of each.
        gpus: GPUs of each, 0 where they have none.
    """

    count: int
    cpus: int
    gpus: int = 0

    def held(self, tres: Tres) -> float:
        """Return how many of them a run holds: by its CPUs or its GPUs, whichever is more."""
        by_gpus = tres.gpu_count / self.gpus if self.gpus else 0.0
        share = max(tres.cpus / self.cpus, by_gpus)
        return min(share, float(tres.nodes)) if tres.nodes else share


@dataclass(frozen=True, eq=False)
class Held:
    """How many nodes were held over a window, piecewise constant.

    Attributes:
        edges: shape (k + 1,), Unix seconds, rising; the window's own among them.
        nodes: shape (k,), held from each edge to the next, never more than there are.
        count: how many there are.
    """

    edges: Floats
    nodes: Floats
    count: int

    @property
    def node_hours(self) -> float:
        """Node-hours that were held."""
        return float((self.nodes * np.diff(self.edges)).sum()) / HOUR

    @property
    def idle_node_hours(self) -> float:
        """Node-hours that were not."""
        return float(((self.count - self.nodes) * np.diff(self.edges)).sum()) / HOUR

    @property
    def utilisation(self) -> float:
        """Share of the node-hours that were held, 0..1."""
        return self.node_hours / (self.node_hours + self.idle_node_hours)


def held_nodes(runs: Sequence[tuple[Interval, float]], count: int, window: Interval) -> Held:
    """Return how many nodes runs held within a window.

    Args:
        runs: when each ran, and how many nodes it held.
        count: of the nodes that there are.
        window: longer than nothing.
    """
    first, last = window.start.timestamp(), window.end.timestamp()
    starts = np.clip([ran.start.timestamp() for ran, _ in runs], first, last)
    ends = np.clip([ran.end.timestamp() for ran, _ in runs], first, last)
    shares = np.array([share for _, share in runs], dtype=float)
    edges = np.unique(np.concatenate(([first, last], starts, ends)))
    changes = np.zeros(len(edges))
    np.add.at(changes, np.searchsorted(edges, starts), shares)
    np.add.at(changes, np.searchsorted(edges, ends), -shares)
    held = np.clip(np.cumsum(changes)[:-1], 0.0, float(count))
    return Held(edges, held, count)


def idle_energy(held: Held, watts: float) -> Floats:
    """Return the kWh that idle nodes take within each step of ``held``, shape (k,).

    Args:
        held: what was not idle.
        watts: of an idle node, with what the room adds.
    """
    return np.asarray((held.count - held.nodes) * np.diff(held.edges) * watts / 1000 / HOUR, dtype=float)


def idle_grams(held: Held, kwh: Floats, series: Series | None) -> float | None:
    """Return the g of idle nodes; None where the intensity of a step in which any idled is not known.

    Args:
        held: as ``kwh`` was made of.
        kwh: shape (k,), of each step.
        series: the zone's intensity.
    """
    idle = kwh > 0
    if not idle.any():
        return 0.0
    if series is None:
        return None
    means = series.means(held.edges[:-1][idle], np.diff(held.edges)[idle])
    total = float((means * kwh[idle]).sum())
    return None if np.isnan(total) else total


def cluster_share(utilisation: float, idle_watts: float, full_watts: float) -> float | None:
    """Return what share of the jobs' relative saving is the cluster's, 0..1; None where there is no power.

    Args:
        utilisation: share of the nodes that were held, 0..1.
        idle_watts: W of a node on which nothing runs.
        full_watts: W of a node that is held as a whole.
    """
    if full_watts <= 0:
        return None
    idle = min(idle_watts / full_watts, 1.0)
    follows = utilisation * (1 - idle)
    return follows / (idle + follows) if idle + follows > 0 else None
