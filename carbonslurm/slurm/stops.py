"""What a stop tells Slurm: signal, requeue, and the look at the job in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carbonslurm.core.stop import Sight
from carbonslurm.formats.scontrol import requeue_argv, signal_argv
from carbonslurm.slurm.queue import look
from carbonslurm.slurm.wire import Wire


@dataclass(frozen=True, slots=True)
class SlurmRunControl:
    """ports.RunControl over scancel and scontrol."""

    wire: Wire

    def signal(self, spec: str, name: str, *, full: bool) -> None:
        """Send the checkpoint signal."""
        self.wire.read(signal_argv(spec, name, full=full))

    def requeue(self, spec: str) -> None:
        """Requeue a job that has not ended."""
        self.wire.read(requeue_argv(spec))

    def look(self, job_ids: Sequence[int]) -> Mapping[int, Sight]:
        """Return what Slurm shows of these jobs."""
        return look(self.wire, job_ids)
