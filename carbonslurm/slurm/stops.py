"""What a stop tells Slurm: signal, requeue, and the look at the job in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from carbonslurm.core.stop import Sight
from carbonslurm.formats.scontrol import requeue_argv, signal_argv
from carbonslurm.slurm.queue import look
from carbonslurm.slurm.wire import Wire

# scancel tries again for a minute and a half where a job is in transition, as one that was just suspended is;
# meanwhile all other stops would wait. This long it may take to be answered at all (Slurm's MessageTimeout).
SIGNALLING = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class SlurmRunControl:
    """ports.RunControl over scancel and scontrol."""

    wire: Wire

    def signal(self, spec: str, name: str, *, full: bool) -> None:
        """Send the checkpoint signal."""
        wire = replace(self.wire, timeout=min(self.wire.timeout, SIGNALLING))
        wire.read(signal_argv(spec, name, full=full))

    def requeue(self, spec: str) -> None:
        """Requeue a job that has not ended."""
        self.wire.read(requeue_argv(spec))

    def look(self, job_ids: Sequence[int]) -> Mapping[int, Sight]:
        """Return what Slurm shows of these jobs."""
        return look(self.wire, job_ids)
