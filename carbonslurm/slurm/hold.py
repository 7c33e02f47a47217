"""The hold actuator: a job waits because it is held, as its owner could hold it.

The owner's way out is ``scontrol release N``. A hold needs somebody to end it: us, or, if everything of ours
dies, ``carbonslurm rescue`` on another host, which tells our holds from others by the mark that the hook sets
in the same update. A job that somebody else holds, or has released meanwhile, the hook refuses us.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carbonslurm.core.means import MarkedHold
from carbonslurm.formats.held import held_argv, read_held
from carbonslurm.formats.scontrol import factor_argv, hold_argv, release_argv
from carbonslurm.formats.sdiag import read_sdiag
from carbonslurm.ports import Setting
from carbonslurm.slurm.telling import tell
from carbonslurm.slurm.wire import Wire


@dataclass(frozen=True, slots=True)
class HoldActuator:
    """ports.Actuator by user holds."""

    wire: Wire

    def withhold(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Hold jobs; what the waiting costs them is given back first, since a dead daemon never could.

        A job whose hold is refused does not wait: it has its old site factor again.
        """
        refused = self._compensate(specs, setting.site_factor)
        rest = [spec for spec in specs if spec not in refused]
        answers = tell(self.wire, rest, hold_argv)
        if setting.site_factor is not None:
            self._compensate(_refused_in(answers), setting.factor_before)
        return refused | dict(answers)

    def release(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Release jobs; the site factor, less for a shorter wait, is no reason to keep one."""
        answers = tell(self.wire, specs, release_argv)
        self._compensate([spec for spec, refusal in answers.items() if refusal is None], setting.site_factor)
        return answers

    def _compensate(self, specs: Sequence[str], factor: int | None) -> dict[str, str | None]:
        """Set the site factor; return the jobs that refused it, with Slurm's words."""
        if factor is None:
            return {}
        answers = SlurmSiteFactors(self.wire).set_factor(specs, factor)
        return {spec: answers[spec] for spec in _refused_in(answers)}


@dataclass(frozen=True, slots=True)
class SlurmSiteFactors:
    """ports.SiteFactors by scontrol update."""

    wire: Wire

    def set_factor(self, specs: Sequence[str], factor: int) -> Mapping[str, str | None]:
        """Set the site factor of jobs."""
        return tell(self.wire, specs, lambda batch: factor_argv(batch, factor))


def _refused_in(answers: Mapping[str, str | None]) -> list[str]:
    return [spec for spec, refusal in answers.items() if refusal is not None]


@dataclass(frozen=True, slots=True)
class SlurmHolds:
    """ports.HoldReader by squeue and sdiag."""

    wire: Wire

    def marked(self) -> Sequence[MarkedHold]:
        """Return the held jobs that carry the hook's mark."""
        return read_held(self.wire.read(held_argv()).stdout)

    def calls_of(self, uid: int) -> int:
        """Return how many calls slurmctld has had from a user; it does not list one that never called."""
        share = read_sdiag(self.wire.read(["sdiag"]).text).users.get(uid)
        return share.calls if share else 0
