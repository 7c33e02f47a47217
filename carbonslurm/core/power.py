"""The power of a run where nobody measured it: from what it held, in W.

P = PUE x (sum over GPUs of device power x GPU utilisation
           + CPUs x power per CPU x CPU utilisation
           + nodes' own power x share of the node that the run holds)

The share is the larger of its share of the node's CPUs and of its GPUs: a job that holds all GPUs of a
node leaves nothing there for others. Device powers are the site's own numbers (docs/figures.md has the
defaults and where they come from).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from carbonslurm.core.job import Tres


@dataclass(frozen=True, slots=True)
class PowerModel:
    """The site's numbers.

    Attributes:
        gpu_watts: W of one GPU at full load, by Slurm's type in lower case.
        other_gpu_watts: W of a GPU whose type is not in ``gpu_watts``.
        cpu_watts: W of one of Slurm's CPUs at full load.
        gpu_utilisation: 0..1, assumed for every run.
        cpu_utilisation: 0..1, likewise.
        node_watts: W that a node takes for itself (memory, fans, network), whoever runs on it.
        node_cpus: CPUs of a node.
        node_gpus: GPUs of a node, 0 where it has none.
        pue: the room's total power over the machines' power, 1 or more.
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
        return self.pue * self.machine_watts(tres)

    def machine_watts(self, tres: Tres) -> float:
        """Return the W that its machines are taken to need, without what the room adds."""
        gpus = sum(
            count * self.gpu_watts.get(kind.lower(), self.other_gpu_watts)
            for kind, count in tres.gpus.items()
        )
        devices = gpus * self.gpu_utilisation + tres.cpus * self.cpu_watts * self.cpu_utilisation
        return devices + self.node_watts * self._nodes_held(tres)

    def _nodes_held(self, tres: Tres) -> float:
        by_cpus = tres.cpus / self.node_cpus
        by_gpus = tres.gpu_count / self.node_gpus if self.node_gpus else 0.0
        share = max(by_cpus, by_gpus)
        return min(share, float(tres.nodes)) if tres.nodes else share
