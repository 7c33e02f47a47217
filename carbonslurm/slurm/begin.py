"""The begin actuator: a job waits because its begin time lies ahead.

If everything of ours dies, Slurm starts the job at that time by itself. The owner's way out is
``scontrol update JobId=N StartTime=now``. Many jobs go into one command, which still is one RPC each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carbonslurm.formats.scontrol import begin_argv
from carbonslurm.ports import Setting
from carbonslurm.slurm.telling import tell
from carbonslurm.slurm.wire import Wire


@dataclass(frozen=True, slots=True)
class BeginActuator:
    """ports.Actuator by StartTime."""

    wire: Wire

    def withhold(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Set the begin time of jobs."""
        return tell(self.wire, specs, lambda batch: begin_argv(batch, setting.until, setting.site_factor))

    def release(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Set the begin time of jobs to now."""
        return tell(self.wire, specs, lambda batch: begin_argv(batch, None, setting.site_factor))
