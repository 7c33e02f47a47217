"""carbonslurm rescue: lets go of jobs that the daemon holds and can no longer release.

Only the hold actuator needs it; the others end by themselves. It runs where the daemon does not (slurmctld's
own host, from a timer) and asks neither the ledger nor the daemon: which holds are ours, and until when, the
jobs say themselves (the hook's mark), and whether the daemon lives shows in slurmctld's count of its calls.
Where age is given back, what was given for all of a job's wait is cut down to the wait that there was.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from carbonslurm.core.means import MarkedHold
from carbonslurm.core.priority import AgeWeight, site_factor
from carbonslurm.ports import Actuator, HoldReader, Setting, SiteFactors

LATE = timedelta(minutes=2)  # a daemon that lives has let go of a job well before its bound


@dataclass(slots=True)
class Rescued:
    """What was found and done: lines for people, and what failed."""

    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rescue:
    """The parts, and the story in ``run``.

    Attributes:
        uid: the daemon's account; None: what it holds is released without listening for it.
        factors: sets site factors.
        age: what age counts; None where none is given back.
        compensate: whether jobs were given any.
        own_uid: this program's; its own calls are not the daemon's.
        listen: how long to listen for the daemon; longer than its cycles.
        updates: the most jobs that are released at once.
        wait: passes the time.
    """

    holds: HoldReader
    hold: Actuator
    factors: SiteFactors
    age: Callable[[], AgeWeight | None]
    compensate: bool
    uid: int | None
    own_uid: int
    listen: timedelta
    updates: int
    wait: Callable[[timedelta], None]
    clock: Callable[[], datetime]

    def run(self) -> Rescued:
        """Release what is ours and due: all of it where the daemon is silent, else what is past its bound.

        Raises:
            UnavailableError: slurmctld is away: nothing can be released, and nothing starts either.
        """
        outcome = Rescued()
        if not self.holds.marked():  # the usual case: nothing to wait for
            outcome.lines.append("no job is held by carbonslurm")
            return outcome
        silent = self._is_silent()
        now = self.clock()
        marked = sorted(self.holds.marked(), key=lambda hold: hold.until)
        due = [hold for hold in marked if silent or hold.until + LATE < now]
        state = "silent" if silent else "alive"
        outcome.lines.append(f"{len(marked)} jobs held by carbonslurm, the daemon is {state}: {len(due)} due")
        self._release(due[: self.updates], outcome)
        if len(due) > self.updates:
            outcome.lines.append(f"{len(due) - self.updates} left for the next time")
        return outcome

    def _is_silent(self) -> bool:
        """Whether slurmctld hears nothing from the daemon's account for as long as we listen.

        A count that falls is a slurmctld that was restarted, or whose counts were reset: that says nothing.
        """
        if self.uid is None:
            return True
        before = self.holds.calls_of(self.uid)
        self.wait(self.listen)
        own = 1 if self.uid == self.own_uid else 0
        return 0 <= self.holds.calls_of(self.uid) - before <= own

    def _release(self, due: Sequence[MarkedHold], outcome: Rescued) -> None:
        answers = self.hold.release([hold.spec for hold in due], Setting())
        for spec, refusal in answers.items():
            if refusal is None:
                outcome.lines.append(f"job {spec}: released")
            else:
                outcome.failures.append(f"job {spec}: {refusal}")
        if self.compensate:
            self._take_back([hold for hold in due if answers[hold.spec] is None], outcome)

    def _take_back(self, released: Sequence[MarkedHold], outcome: Rescued) -> None:
        age, now = self.age(), self.clock()
        together: defaultdict[int, list[str]] = defaultdict(list)
        for hold in released:
            lost = 0 if age is None or hold.since is None else site_factor(age, now - hold.since)
            together[lost].append(hold.spec)
        for lost, specs in together.items():
            for spec, refusal in self.factors.set_factor(specs, lost).items():
                if refusal is not None:
                    outcome.failures.append(f"job {spec}: its site factor stays: {refusal}")
