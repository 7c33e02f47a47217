"""Running jobs: does one run by somebody else's word, and would a stop pay?

When a stop pays is ``core.stop``'s to say; here is which job may be stopped at all, and the action.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.interval import iso
from carbonslurm.core.job import JobKey, QueuedJob
from carbonslurm.core.length import predicted_rest
from carbonslurm.core.means import Means
from carbonslurm.core.ownership import STARTED, UNKNOWN, Known, overridden
from carbonslurm.core.queue_scene import Stoppable
from carbonslurm.core.situation import PlanRules, Situation
from carbonslurm.core.waiting import bound
from carbonslurm.core.worth import Worth, worth_stopping


@dataclass(frozen=True, slots=True)
class Running:
    """One call of plan(), for each running job's own short story."""

    situation: Situation
    rules: PlanRules
    latest: Mapping[int, datetime]

    def act(self, job: QueuedJob, spared: frozenset[JobKey] = frozenset()) -> Action | None:
        """Return what is to be done for a job, which is not stopped where it is spared."""
        known = self.situation.known.get(job.key, UNKNOWN)
        if job.tag is None or known.hands_off or known.stopping:
            return None
        word = STARTED if _started_in_window(job, known) else None
        if _started_early(job, known):
            word = overridden(job, known, self.situation.now, self.situation.controller_started)
        if word is not None:
            return Action(Verb.LEAVE, job, word, final=True)
        if job.key in spared or not self._may_stop(job, known):
            return None
        return self._stop(job, known)

    def stoppable(self) -> Mapping[JobKey, Stoppable]:
        """Return the running jobs whose stop would be allowed, and would pay by itself."""
        found: dict[JobKey, Stoppable] = {}
        for job in self.situation.queue.running():
            known = self.situation.known.get(job.key, UNKNOWN)
            checkpoint = job.tag.checkpoint if job.tag else None
            if checkpoint is None or known.hands_off or known.stopping or not self._may_stop(job, known):
                continue
            last, worth = self._worth(job, known)
            if worth is not None:
                rules = self.rules.stop
                lost, restart = checkpoint.grace + rules.settle, checkpoint.restart or rules.restart
                found[job.key] = Stoppable(job, last, lost, restart, known.stops)
        return found

    def _may_stop(self, job: QueuedJob, known: Known) -> bool:
        rules = self.rules.stop
        return (
            rules.enabled
            and not self.situation.paused
            and self.situation.may_stop
            and job.tag is not None
            and job.tag.checkpoint is not None
            and job.requeueable
            and job.obstacle is None
            and not job.held
            and known.stops < rules.max_stops
            and job.started is not None
            and self.situation.now - job.started >= rules.min_run
        )

    def _worth(self, job: QueuedJob, known: Known) -> tuple[datetime, Worth | None]:
        """Return the bound of a running job, and what its stop would be worth."""
        now = self.situation.now
        last = bound(job, known, self.latest, self.situation, self.rules)
        series = self.situation.forecasts.get(self.rules.zones.of(job))
        if series is None or job.started is None:
            return last, None
        rest = predicted_rest(job, now - job.started, self.rules.assumed_length, self.situation.past)
        return last, worth_stopping(job, rest, last, series, now, self.rules.stop)

    def _stop(self, job: QueuedJob, known: Known) -> Action | None:
        last, worth = self._worth(job, known)
        series = self.situation.forecasts.get(self.rules.zones.of(job))
        if worth is None or series is None:
            return None
        then, on = f"{worth.g_per_kwh_then:.0f} g/kWh", f"{worth.g_per_kwh_now:.0f} if it runs on"
        return Action(
            Verb.STOP,
            job,
            f"{then} from {iso(worth.restart_at)}, {on} ({series.source})",
            until=worth.restart_at,
            bound=last,
            g_per_kwh_now=worth.g_per_kwh_now,
            g_per_kwh_then=worth.g_per_kwh_then,
            saving_g=worth.saved_g_per_w * self.rules.power.watts(job.tres),
        )


def _started_in_window(job: QueuedJob, known: Known) -> bool:
    """Whether its owner started a job before we had seen it: within the window that the hook had set."""
    window = job.tag.window if job.tag else None
    if window is None or job.started is None or known.claims:
        return False
    first_run = job.restarts == 0 and "_" not in job.spec  # a task's claim is its array's
    return first_run and job.started < window


def _started_early(job: QueuedJob, known: Known) -> bool:
    """Whether a job that we withheld runs before the time that we set, or without our letting it go."""
    waits = [claim for claim in known.claims if claim.restarts == job.restarts and claim.set_to is not None]
    return any(
        claim.means is not Means.BEGIN
        or (job.started is not None and claim.set_to is not None and job.started < claim.set_to)
        for claim in waits
    )
