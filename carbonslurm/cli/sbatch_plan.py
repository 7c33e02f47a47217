"""carbon-sbatch --plan: what would happen to the job, as a table or an object.

Only here does carbon-sbatch read the configuration and the ledger. What the hook would refuse is refused, as
far as it can be seen in sbatch's words.
"""

from __future__ import annotations

import getpass
import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm import wiring
from carbonslurm.app.forecasts import ForecastState, usable_forecasts
from carbonslurm.app.preview import Basis, Preview, preview
from carbonslurm.app.prospects import Prospects, prospects
from carbonslurm.cli.program import load_config, say
from carbonslurm.cli.sacct_budget import now_words, objects
from carbonslurm.core.allowance import effect_on
from carbonslurm.core.interval import Interval, iso
from carbonslurm.core.length import Past
from carbonslurm.core.tag import Declaration, FlexibleBy, parse_declaration
from carbonslurm.core.units import kwh_from_watts
from carbonslurm.errors import UsageError
from carbonslurm.formats.terminal import columns, grams_text
from carbonslurm.formats.times import length_text, local_text, read_moment

if TYPE_CHECKING:
    from datetime import datetime

    from carbonslurm.config import Config
    from carbonslurm.core.allowance import Standing
    from carbonslurm.core.situation import PlanRules
    from carbonslurm.formats.sbatch import Request

BASIS = {
    Basis.DECLARED: "as declared",
    Basis.PAST: "from past runs: half of such runs are longer",
    Basis.LIMIT: "the time limit",
    Basis.ASSUMED: "assumed: no --time was given",
}


def show_plan(config_path: Path | None, tag: str | None, request: Request, *, as_json: bool) -> None:
    """Print the plan for a job with this tag.

    Raises:
        UsageError: such a job would not wait.
    """
    config = load_config(config_path)
    declared, by = _declared(config, tag, request)
    if declared is None or declared.now or not (declared.flex or declared.finish):
        raise UsageError("--plan needs a job that may wait: --flex or --finish-by")
    shown = _shown(config, declared, by, request)
    click.echo(plan_json(shown) if as_json else plan_text(shown))
    state = shown.state
    if state.reason:
        say(state.reason)


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to show.

    Attributes:
        found: the plan.
        request: sbatch's words.
        state: by which forecast the plan was made.
        past: what the owner's and the partition's past says.
        like_past: grams for a run as long as the owner's usually are, now and as planned; None where unknown.
        budgets: those in which it counts, as far as sbatch's words tell.
    """

    found: Preview
    request: Request
    state: ForecastState
    past: Prospects
    like_past: tuple[float | None, float | None]
    budgets: tuple[Standing, ...]


def _declared(config: Config, tag: str | None, request: Request) -> tuple[Declaration | None, FlexibleBy]:
    """Return what the job says, or where it says nothing what the site's rules and budgets say for it."""
    if tag:
        return parse_declaration(tag), FlexibleBy.OWNER
    rule = wiring.rule_for(config, getpass.getuser(), request.account, request.partition)
    if rule is None:
        return None, FlexibleBy.OWNER
    return parse_declaration(rule.tag), FlexibleBy.BUDGET if rule.budget else FlexibleBy.SITE


def _shown(config: Config, declared: Declaration, by: FlexibleBy, request: Request) -> Shown:
    if config.flexible.gpu_only and not request.tres.gpu_count:
        raise UsageError("such a job is not flexible here: it asks for no GPU, and only GPU jobs can wait")
    if declared.finish and request.time is None:
        raise UsageError("a job that must have ended by some time needs a time limit to be planned: --time")
    rules, now = wiring.plan_rules(config), wiring.now().replace(microsecond=0)  # Slurm's times are whole
    partition = request.partition or ""
    owner = (getpass.getuser(), request.account, request.partition)
    zone = rules.zones.partitions.get(partition, rules.zones.default)
    with wiring.reading(config) as book:
        state = usable_forecasts(book, [zone], now, wiring.forecast_rules(config))[zone]
        lengths = Past(book.past_runs(config.cluster, now)) if wiring.learns(config) else None
        budgets = wiring.spending(config, book).standings(now)
        past = prospects(book, config.cluster, getpass.getuser(), partition, request.time, now)
    found = preview(
        declared,
        limit=request.time,
        partition=partition,
        tres=request.tres,
        series=state.series,
        rules=rules,
        now=now,
        begin=_begin(request.begin, now),
        user=getpass.getuser(),
        past=lengths,
        budget=effect_on(*owner, budgets),
        by=by,
    )
    mine = tuple(it for it in budgets if it.allowance.concerns(*owner))
    return Shown(found, request, state, past, _like_past(found, past, state, rules, request), mine)


def _like_past(
    found: Preview, past: Prospects, state: ForecastState, rules: PlanRules, request: Request
) -> tuple[float | None, float | None]:
    """Work out the grams of a run as long as the owner's usually are."""
    if past.habit is None or state.series is None or past.habit.length <= timedelta():
        return None, None
    kwh = kwh_from_watts(rules.power.watts(request.tres), past.habit.length)
    starts = (found.earliest, found.start)
    means = [state.series.mean(Interval(start, start + past.habit.length)) for start in starts]
    now_g, then_g = (None if mean is None else kwh * mean for mean in means)
    return now_g, then_g


def _begin(text: str | None, now: datetime) -> datetime | None:
    try:
        return None if text is None else read_moment(text, now, ahead=True)
    except UsageError as error:
        raise UsageError(f"--begin: {error}") from error


def plan_text(shown: Shown) -> str:
    """Lay out the plan as a table; grams are those of one task where the job is an array."""
    found, request, state = shown.found, shown.request, shown.state
    each = ", for each task" if request.array else ""
    rows = [
        ["planned start", local_text(found.start), found.reason],
        ["latest start", local_text(found.bound), ""],
        ["length", length_text(found.length), BASIS[found.basis]],
        [
            "at its begin" if found.begin else "if started now",
            grams_text(found.g_now),
            _intensity(found.mean_now) + each,
        ],
        ["as planned", grams_text(found.g_then), _intensity(found.mean_then) + each],
    ]
    if state.series is not None:
        rows.append(["forecast", str(state.source), f"{state.age_text}, {state.series.nature}"])
    if found.begin:
        rows.insert(0, ["own begin time", local_text(found.begin), "--begin"])
    if found.g_now and found.g_then is not None:
        saved = found.g_now - found.g_then
        rows.append(["expected saving", grams_text(saved), f"{100 * saved / found.g_now:.1f} %{each}"])
    return columns([], rows + _past_rows(shown, each) + [_budget_row(it) for it in shown.budgets])


def _budget_row(standing: Standing) -> list[str]:
    """Say how a budget stands, and what follows."""
    allowance = standing.allowance
    used = f"{grams_text(standing.used_g)} of {grams_text(allowance.grams)} used in {standing.month}"
    now = now_words(standing) or f"{grams_text(standing.left_g)} left"
    return ["budget", allowance.owner, f"{used}; {now}"]


def _past_rows(shown: Shown, each: str) -> list[list[str]]:
    """Say what the past says: how late such jobs start, how long the owner's take, and how he guesses."""
    rows = []
    if late := shown.past.punctuality:
        start = shown.found.start
        most = local_text(start + late.most)
        words = f"half of the last {late.jobs} planned jobs by then, nine in ten by {most}"
        rows.append(["expected start", local_text(start + late.usual), words])
    if (kept := shown.past.kept) and kept.share is not None:
        words = f"of the {grams_text(kept.expected_g)} that plans of yours expected to save came about"
        rows.append(["past plans", f"{100 * kept.share:.0f} %", f"{words}, in {kept.jobs} jobs"])
    habit = shown.past.habit
    if habit is None:
        return rows
    whose = f"{habit.runs} runs of yours" + (" with this limit" if habit.same_limit else "")
    span = f"most took {length_text(habit.low)} to {length_text(habit.high)}"
    rows.append(["usual length", length_text(habit.length), f"half of {whose} took less; {span}"])
    now_g, then_g = shown.like_past
    if now_g is not None and then_g is not None:
        words = f"as planned, {grams_text(now_g)} if started now{each}"
        rows.append(["usual emissions", grams_text(then_g), words])
    if habit.share is not None:
        ended = f"; {habit.at_limit} of them were ended by it" if habit.at_limit else ""
        words = f"of the limit is what half of them used{ended}"
        hint = ": --length says how long it will take" if _would_help(shown) else ""
        rows.append(["your limits", f"{100 * habit.share:.0f} %", words + hint])
    return rows


def _would_help(shown: Shown) -> bool:
    """Whether to declare a length would make a better plan: it is planned by a limit that is far off."""
    habit = shown.past.habit
    by_limit = shown.found.basis is Basis.LIMIT
    return by_limit and habit is not None and habit.high < shown.found.length * 0.8


def _intensity(mean: float | None) -> str:
    return "unknown" if mean is None else f"{mean:.0f} g/kWh"


def plan_json(shown: Shown) -> str:
    """Write the plan as an object: times in UTC, ``g_now`` for a start as soon as --begin allows."""
    found, request, state = shown.found, shown.request, shown.state
    values: dict[str, Any] = {
        "begin": iso(found.begin) if found.begin else None,
        "planned_start": iso(found.start),
        "latest_start": iso(found.bound),
        "length_s": found.length.total_seconds(),
        "length_basis": str(found.basis),
        "g_now": found.g_now,
        "g_planned": found.g_then,
        "g_per_task": request.array,
        "g_per_kwh_now": found.mean_now,
        "g_per_kwh_planned": found.mean_then,
        "reason": found.reason,
        "forecast_source": state.source if state.series is not None else None,
        "forecast_age_s": state.age.total_seconds() if state.series is not None and state.age else None,
        "forecast_data_age_s": state.data_age.total_seconds() if state.data_age is not None else None,
        "passed_over": list(state.passed_over),
        **_past_values(shown),
        "budgets": objects(shown.budgets),
    }
    return json.dumps(values, indent=1)


def _past_values(shown: Shown) -> dict[str, Any]:
    late, habit, kept = shown.past.punctuality, shown.past.habit, shown.past.kept
    now_g, then_g = shown.like_past
    return {
        "expected_start": iso(shown.found.start + late.usual) if late else None,
        "expected_start_latest": iso(shown.found.start + late.most) if late else None,
        "planned_jobs": late.jobs if late else 0,
        "usual_length_s": habit.length.total_seconds() if habit else None,
        "usual_length_low_s": habit.low.total_seconds() if habit else None,
        "usual_length_high_s": habit.high.total_seconds() if habit else None,
        "usual_g_now": now_g,
        "usual_g_planned": then_g,
        "limit_used": habit.share if habit else None,
        "ended_by_limit": habit.at_limit if habit else None,
        "past_runs": habit.runs if habit else 0,
        "past_plans": kept.jobs if kept else 0,
        "past_expected_g": kept.expected_g if kept else None,
        "past_saved_g": kept.saved_g if kept else None,
    }
