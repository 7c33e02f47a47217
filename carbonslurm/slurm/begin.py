"""The begin actuator: a job waits because its begin time lies ahead.

If everything of ours dies, Slurm starts the job at that time by itself. The owner's way out is
``scontrol update JobId=N StartTime=now``. Many jobs go into one command, which still is one RPC each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from carbonslurm.formats.scontrol import begin_argv, read_refusals
from carbonslurm.slurm.wire import Wire, failure, is_away

BATCH = 200  # ids in one command: well below the kernel's limit of one argument (128 KiB)


@dataclass(frozen=True, slots=True)
class BeginActuator:
    """ports.Actuator by StartTime."""

    wire: Wire

    def withhold(self, specs: Sequence[str], until: datetime) -> Mapping[str, str | None]:
        """Set the begin time of jobs."""
        return self._set(specs, until)

    def release(self, specs: Sequence[str]) -> Mapping[str, str | None]:
        """Set the begin time of jobs to now."""
        return self._set(specs, None)

    def _set(self, specs: Sequence[str], until: datetime | None) -> Mapping[str, str | None]:
        answers: dict[str, str | None] = {}
        for first in range(0, len(specs), BATCH):
            batch = specs[first : first + BATCH]
            answer = self.wire.ask(begin_argv(batch, until))
            if answer.returncode != 0 and is_away(answer.stderr):
                raise failure("scontrol", answer)
            answers.update(read_refusals(batch, answer.returncode, answer.stderr))
        return answers
