"""plan(): the queue, the forecasts and what is ours -> what to do, as data.

The daemon, observe mode, replay and the simulator call this one function. It is pure: the same input gives
the same list, and planning again after the list was carried out gives an empty one.

For a pending flexible job: is it still ours to plan? Is there a forecast to plan by? When would the policy
start it, within its bound: by itself, or all of them together (core.placing)? Is that worth another change
(core.deciding)? For a running one that can checkpoint: does a stop pay (core.running)? Jobs of others (held,
reserved, overridden) never appear in the list, but for one ``leave`` that records that somebody else decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.bound import latest_by_deadlines
from carbonslurm.core.deciding import Deciding
from carbonslurm.core.means import Means
from carbonslurm.core.placing import Placed, placed_together
from carbonslurm.core.policies import POLICIES
from carbonslurm.core.policy_names import JOINT
from carbonslurm.core.running import Running
from carbonslurm.core.situation import Found, PlanRules, Situation
from carbonslurm.core.waiting import GREENEST, Prospect, Waiting, gate_shut


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now.

    Attributes:
        actions: the most urgent first: what must be let go, then what would start soonest.
        shut: whether the gate is to be shut; None where no job is behind it.
        found: what joint found, for the next cycle; None where it was not asked.
    """

    actions: list[Action]
    shut: bool | None = None
    found: Found | None = None


def plan(situation: Situation, rules: PlanRules) -> Plan:
    """Return what to do now."""
    latest = latest_by_deadlines(situation.queue.jobs, rules.bound, situation.now)
    waiting, running = Waiting(situation, rules, latest), Running(situation, rules, latest)
    deciding = Deciding(situation, rules)
    pending, watched = situation.queue.pending(), situation.watched
    wishes = [waiting.prospect(job) for job in pending]
    placed = _answers(situation, rules, wishes, running)
    prospects = [
        waiting.answered(wish, choice) if isinstance(wish, Prospect) and choice is not None else wish
        for wish, choice in zip(wishes, placed.choices, strict=True)
    ]
    asked = [wish for wish in prospects if isinstance(wish, Prospect) and wish.means is Means.GATE]
    shut = gate_shut([prospect for prospect in asked if prospect.job.key not in watched])
    # Those that are only watched have no say; for them is written what the gate would do, had they one.
    would = bool(shut or gate_shut(asked))
    found = [
        deciding.act(prospect, would if watched and prospect.job.key in watched else bool(shut))
        if isinstance(prospect, Prospect)
        else prospect
        for prospect in prospects
    ]
    owing = {key for key, known in situation.known.items() if known.compensation is not None}
    if owing:
        found = [
            deciding.take_back(job) if action is None and job.key in owing else action
            for job, action in zip(pending, found, strict=True)
        ]
    found += [running.act(job, placed.spared) for job in situation.queue.running()]
    actions = [action for action in found if action is not None]
    room = rules.stop.per_hour - situation.stops_begun
    return Plan(sorted(_within_budget(actions, room), key=_urgency), shut, placed.found)


def _answers(
    situation: Situation, rules: PlanRules, wishes: Sequence[Prospect | Action | None], running: Running
) -> Placed:
    """Ask the policy for each job of which there is a question."""
    if rules.policy == JOINT:
        return placed_together(situation, rules, wishes, running.stoppable())
    return Placed(
        [
            POLICIES[GREENEST if it.green else rules.policy](it.question)
            if isinstance(it, Prospect) and it.question is not None
            else None
            for it in wishes
        ]
    )


def _within_budget(actions: list[Action], stops: int) -> list[Action]:
    """Leave out the stops for which this hour has no room, those that save least."""
    wanted = [action for action in actions if action.verb is Verb.STOP]
    if len(wanted) <= stops:
        return actions
    wanted.sort(key=lambda action: (-(action.saving_g or 0), action.job.key.job_id))
    left_out = {action.job.spec for action in wanted[max(stops, 0) :]}
    return [action for action in actions if action.verb is not Verb.STOP or action.job.spec not in left_out]


def _urgency(action: Action) -> tuple[int, float, int]:
    """Of jobs to be let go, the closest to its bound first: a cycle may not have room for all of them."""
    order = (Verb.LEAVE, Verb.RELEASE, Verb.STOP, Verb.WITHHOLD)
    starts = action.job.eligible or action.job.submitted
    if action.verb is Verb.RELEASE and action.bound is not None:
        starts = action.bound
    return order.index(action.verb), starts.timestamp(), action.job.key.job_id
