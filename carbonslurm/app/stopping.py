"""Stops in flight: each looked at every few seconds, and taken one step further by the table in core.stop.

A stop begins as an action in the ledger. Each step here looks at the job, does what the table says, and
writes the new phase. Whatever dies in between, the job runs on or starts by itself, and the next step, of
this daemon or a restarted one, finishes what was meant.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.app.telling import Memory
from carbonslurm.core.stop import Command, Phase, Seen, Sight, StopInFlight, controller_settled, step
from carbonslurm.core.waiting import PAUSED
from carbonslurm.errors import RefusedError, UnavailableError
from carbonslurm.ports import Actuator, QueueReader, RunControl, Setting, StopLog

logger = logging.getLogger(__name__)

# Until its requeue a stopped job runs on as if nothing had been; after it, it must get its begin time.
UNTOUCHED = frozenset({Phase.INTENDED, Phase.SIGNALLING, Phase.SIGNALLED})
OLD = timedelta(minutes=1)  # what was seen of the jobs before that is not acted upon
REST = timedelta(minutes=1)  # for a stop whose command got no answer: it must not keep cycles from the lock


@dataclass(frozen=True, slots=True)
class Stopping:
    """The parts of the step, and its story in ``run``.

    Attributes:
        begin: sets begin times: whatever makes pending jobs wait, a stopped one goes on by itself.
    """

    cluster: str
    queue: QueueReader
    control: RunControl
    begin: Actuator
    actions: StopLog
    memory: Memory
    clock: Callable[[], datetime]

    def run(self) -> int:
        """Take each stop in flight one step further; return how many there are.

        Raises:
            UnavailableError: Slurm is away; the stops stay where they are.
            LedgerError: the ledger is; nothing was done.
        """
        now = self.clock()
        stops = self.actions.stops_in_flight(self.cluster)
        due = [stop for stop in stops if self.memory.resting.get(stop.action, now) <= now]
        if not due:
            return len(stops)
        sights = self.control.look([stop.key.job_id for stop in due])
        for stop in due:
            if self.clock() - now > OLD:
                break  # our host was suspended: what was seen is no longer so
            self._advance(stop, sights.get(stop.key.job_id))
        return len(stops)

    def _advance(self, stop: StopInFlight, sight: Sight | None) -> None:
        """One step of one stop; what Slurm says to it must not keep the others waiting."""
        if self.memory.paused and stop.phase in UNTOUCHED:
            self._write(stop, Phase.ABANDONED, PAUSED)
            return
        command, phase, seen = step(stop, sight, self.clock())
        if (stop.phase, seen) == (Phase.DELAYED, Seen.AGAIN_WAITING):
            # Did slurmctld crash, or did somebody speak?
            command, phase, seen = step(stop, sight, self.clock(), self.queue.controller().started)
        if command is Command.REQUEUE and not self._may_requeue():
            return
        if command is Command.SIGNAL:
            # Before it is sent: whoever finds this later sends no second one.
            self._write(stop, Phase.SIGNALLING, seen.value)
        try:
            phase = self._tell(stop, command, phase)
        except RefusedError as error:
            self._write(stop, Phase.ABANDONED, f"{command} refused: {error}")
        except UnavailableError as error:
            self.memory.resting[stop.action] = self.clock() + REST
            logger.warning("stop job %s: %s: %s", stop.spec, command, error)
        else:
            if phase is not stop.phase:
                self._write(stop, phase, seen.value)

    def _tell(self, stop: StopInFlight, command: Command, phase: Phase) -> Phase:
        """Tell Slurm; return the phase that was reached."""
        if command is Command.SIGNAL:
            self.control.signal(stop.spec, stop.checkpoint.signal, full=stop.checkpoint.full)
        elif command is Command.REQUEUE:
            self.control.requeue(stop.spec)
            # At once, while it is COMPLETING: Slurm keeps this begin time when the requeue ends.
            return Phase.DELAYED if self._delay(stop) else phase
        elif command is Command.DELAY:
            return phase if self._delay(stop) else stop.phase
        return phase

    def _delay(self, stop: StopInFlight) -> bool:
        return self.begin.withhold([stop.spec], Setting(stop.restart_at))[stop.spec] is None

    def _may_requeue(self) -> bool:
        """``requeue Incomplete`` can run a finished job again while slurmctld has not heard of its end."""
        try:
            return controller_settled(self.queue.controller(), self.memory.last_failure, self.clock())
        except UnavailableError:
            self.memory.last_failure = self.clock()
            return False

    def _write(self, stop: StopInFlight, phase: Phase, detail: str) -> None:
        self.actions.advance_stop(stop.action, phase, self.clock(), detail)
        logger.info("stop job %s: %s (%s)", stop.spec, phase, detail)
