"""Stops in flight: each looked at every few seconds, and taken one step further by the table in core.stop.

A stop begins as an action in the ledger. Each step here looks at the job, does what the table says, and
writes the new phase. Whatever dies in between, the job runs on or starts by itself, and the next step, of
this daemon or a restarted one, finishes what was meant.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from carbonslurm.app.cycle import Memory
from carbonslurm.core.stop import Command, Phase, Sight, StopInFlight, controller_settled, step
from carbonslurm.errors import RefusedError, UnavailableError
from carbonslurm.ports import ActionLog, Actuator, QueueReader, RunControl

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stopping:
    """The parts of the step, and its story in ``run``."""

    cluster: str
    queue: QueueReader
    control: RunControl
    actuator: Actuator
    actions: ActionLog
    memory: Memory
    clock: Callable[[], datetime]

    def run(self) -> int:
        """Take each stop in flight one step further; return how many there are.

        Raises:
            UnavailableError: Slurm is away; the stops stay where they are.
            LedgerError: the ledger is; nothing was done.
        """
        stops = self.actions.stops_in_flight(self.cluster)
        if not stops:
            return 0
        sights = self.control.look([stop.key.job_id for stop in stops])
        for stop in stops:
            self._advance(stop, sights.get(stop.key.job_id))
        return len(stops)

    def _advance(self, stop: StopInFlight, sight: Sight | None) -> None:
        command, phase, seen = step(stop, sight, self.clock())
        if command is Command.REQUEUE and not self._may_requeue():
            return
        try:
            phase = self._tell(stop, command, phase)
        except RefusedError as error:
            self._write(stop, Phase.ABANDONED, f"{command} refused: {error}")
            return
        if phase is not stop.phase:
            self._write(stop, phase, seen.value)

    def _tell(self, stop: StopInFlight, command: Command, phase: Phase) -> Phase:
        """Tell Slurm; return the phase that was reached."""
        job_id, checkpoint = stop.key.job_id, stop.checkpoint
        if command is Command.SIGNAL:
            self.control.signal(job_id, checkpoint.signal, full=checkpoint.full)
        elif command is Command.REQUEUE:
            self.control.requeue(job_id)
            # At once, while it is COMPLETING: Slurm keeps this begin time when the requeue ends.
            return Phase.DELAYED if self._delay(stop) else phase
        elif command is Command.DELAY:
            return phase if self._delay(stop) else stop.phase
        return phase

    def _delay(self, stop: StopInFlight) -> bool:
        spec = str(stop.key.job_id)
        return self.actuator.withhold([spec], stop.restart_at)[spec] is None

    def _may_requeue(self) -> bool:
        """``requeue Incomplete`` can run a finished job again while slurmctld has not heard of its end."""
        try:
            return controller_settled(self.queue.controller(), self.memory.last_failure, self.clock())
        except UnavailableError:
            self.memory.last_failure = self.clock()
            return False

    def _write(self, stop: StopInFlight, phase: Phase, detail: str) -> None:
        self.actions.advance_stop(stop.action, phase, self.clock(), detail)
        logger.info("stop job %d: %s (%s)", stop.key.job_id, phase, detail)
