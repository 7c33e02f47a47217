"""The power of a run where nobody measured it: from what it held, in W.

P = sum over GPUs of device power x GPU utilisation
    + CPUs x power per CPU x CPU utilisation
    + nodes' own power x share of the node that the run holds

times PUE. The share is the larger of its share of the node's CPUs and of its GPUs: a job that holds all GPUs
of a node leaves nothing there for others. Device powers are the site's own numbers, or those of ``devices``
(docs/figures.md says what they are worth). The three parts are kept apart, because a meter may see one only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from carbonslurm.core.devices import gpu_watts
from carbonslurm.core.job import Tres


class Parts(NamedTuple):
    """W of a run by what draws them, without what the room adds.

    Attributes:
        gpus: boards.
        cpus: processors.
        nodes: the rest of the nodes: memory, fans, disks, network.
    """

    gpus: float
    cpus: float
    nodes: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.gpus + self.cpus + self.nodes


@dataclass(frozen=True, slots=True)
class PowerModel:
    """The site's numbers.

    Attributes:
        gpu_watts: W of one GPU at full load, by Slurm's type in lower case; before the table of ``devices``.
        other_gpu_watts: W of a GPU whose type neither has.
        cpu_watts: W of one of Slurm's CPUs at full load.
        gpu_utilisation: 0..1, assumed for every run.
        cpu_utilisation: 0..1, likewise.
        node_watts: W that a node takes for itself (memory, fans, network), whoever runs on it.
        node_cpus: CPUs of a node.
        node_gpus: GPUs of a node, 0 where it has none.
        pue: the room's total power over the machines' power, 1 or more, as it is now.
    """

    gpu_watts: Mapping[str, float] = field(default_factory=dict)
    other_gpu_watts: float = 300.0
    cpu_watts: float = 5.0
    gpu_utilisation: float = 0.7
    cpu_utilisation: float = 0.5
    node_watts: float = 200.0
    node_cpus: int = 64
    node_gpus: int = 4
    pue: float = 1.3

    def watts(self, tres: Tres) -> float:
        """Return the W that a run with these resources is taken to need, PUE included."""
        return self.pue * self.parts(tres).total

    def parts(self, tres: Tres) -> Parts:
        """Return the W that its machines are taken to need, by part, without what the room adds."""
        most = self.most(tres)
        return Parts(most.gpus * self.gpu_utilisation, most.cpus * self.cpu_utilisation, most.nodes)

    def most(self, tres: Tres) -> Parts:
        """Return what its machines can need at full load, likewise: no meter may say much more."""
        gpus = sum(count * self._one_gpu(kind) for kind, count in tres.gpus.items())
        return Parts(gpus, tres.cpus * self.cpu_watts, self.node_watts * self._nodes_held(tres))

    def holds_whole_nodes(self, tres: Tres) -> bool:
        """Whether a run held all CPUs of all of its nodes, so that nobody else ran there."""
        return tres.nodes > 0 and tres.cpus >= tres.nodes * self.node_cpus

    def _one_gpu(self, kind: str) -> float:
        named = self.gpu_watts.get(kind.lower())
        known = gpu_watts(kind) if named is None else named
        return self.other_gpu_watts if known is None else known

    def _nodes_held(self, tres: Tres) -> float:
        by_cpus = tres.cpus / self.node_cpus
        by_gpus = tres.gpu_count / self.node_gpus if self.node_gpus else 0.0
        share = max(by_cpus, by_gpus)
        return min(share, float(tres.nodes)) if tres.nodes else share
