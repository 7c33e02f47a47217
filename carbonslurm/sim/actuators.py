"""The hold and gate actuators of a simulated cluster; the cluster itself sets begin times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from carbonslurm.core.means import MarkedHold
from carbonslurm.ports import Setting
from carbonslurm.sim.cluster import SimulatedCluster

# The hook refuses both: Slurm would take them, and a release would wipe the job's nice value.
HELD = "it is held already"
NOT_HELD = "it is not held, and a release would reset its nice value"


@dataclass(frozen=True, slots=True)
class SimulatedHold:
    """ports.Actuator by user holds."""

    cluster: SimulatedCluster

    def withhold(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Hold jobs, each with its site factor before; one that is refused has its old one again."""
        self.cluster.answer()
        return {spec: self._withhold(spec, setting) for spec in specs}

    def release(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Release jobs."""
        self.cluster.answer()
        return {spec: self._release(spec, setting) for spec in specs}

    def _withhold(self, spec: str, setting: Setting) -> str | None:
        self.cluster.update_factor(spec, setting.site_factor)
        refusal = HELD if self.cluster.is_held(spec) else self.cluster.update_hold(spec, held=True)
        if refusal is not None and setting.site_factor is not None:
            self.cluster.update_factor(spec, setting.factor_before)
        return refusal

    def _release(self, spec: str, setting: Setting) -> str | None:
        refusal = self.cluster.update_hold(spec, held=False) if self.cluster.is_held(spec) else NOT_HELD
        if refusal is None:
            self.cluster.update_factor(spec, setting.site_factor)
        return refusal


@dataclass(slots=True)
class SimulatedHolds:
    """ports.HoldReader: holds that their owners could release carry the hook's mark, where that is loaded.

    Attributes:
        hook: whether the hook's part that marks is loaded.
    """

    cluster: SimulatedCluster
    hook: bool = True

    def marked(self) -> Sequence[MarkedHold]:
        """Return the held jobs that carry the mark."""
        held = [job for job in self.cluster.snapshot().pending() if job.held_by_user and job.tag is not None]
        return [MarkedHold(job.spec, self.cluster.now) for job in held] if self.hook else []

    def calls_of(self, uid: int) -> int:  # noqa: ARG002 - it counts nobody's
        """Return how many calls slurmctld has had from a user."""
        return 0


@dataclass(frozen=True, slots=True)
class SimulatedGate:
    """ports.Gate, and ports.Actuator by the licence of single jobs."""

    cluster: SimulatedCluster

    def shut(self, until: datetime) -> None:
        """Shut the gate."""
        self.cluster.turn_gate(until)

    def open(self) -> None:
        """Open the gate."""
        self.cluster.turn_gate(self.cluster.now)

    def withhold(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:  # noqa: ARG002 - port
        """Give jobs the licence."""
        self.cluster.answer()
        return {spec: self.cluster.update_licence(spec, gated=True) for spec in specs}

    def release(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Take the licence away."""
        self.cluster.answer()
        answers = {spec: self.cluster.update_licence(spec, gated=False) for spec in specs}
        for spec, refusal in answers.items():
            if refusal is None:
                self.cluster.update_factor(spec, setting.site_factor)
        return answers
