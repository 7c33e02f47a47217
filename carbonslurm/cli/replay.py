"""carbonslurm replay: what policies would have saved on this cluster, before anything is switched on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from carbonslurm.cli import program
from carbonslurm.cli.program import config_option
from carbonslurm.cli.trial_options import (
    FILE,
    anchor_option,
    json_option,
    length_option,
    parameters_option,
    plot_option,
    policies_option,
    unit_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbonslurm.cli.replay_input import Wanted
    from carbonslurm.config import Config
    from carbonslurm.core.interval import Interval
    from carbonslurm.sim.comparison import Run, Setting
    from carbonslurm.sim.history import Flexibility

SINCE = "now-30days"
LONGEST = "24h"


@click.command(short_help="Run the site's own past again under policies.")
@config_option
@click.option("-S", "--starttime", metavar="TIME", help=f"The past from then on.  [default: {SINCE}]")
@click.option("-E", "--endtime", metavar="TIME", help="Until then.  [default: now]")
@click.option("--jobs", type=FILE, help="A file in place of sacct: sacct -P, our CSV, SWF; .gz too.")
@click.option(
    "--carbon", multiple=True, type=FILE, help="Intensities in place of the ledger's; again for more."
)
@click.option("--column", help="Of these.  [default: gCO2eq_per_kWh, which is lifecycle]")
@click.option(
    "--forecast",
    default="perfect",
    show_default=True,
    help="perfect, persistence, own, issued (the ledger's, as published), or a FILE.",
)
@policies_option
@click.option(
    "--flexible",
    multiple=True,
    default=["all"],
    show_default=True,
    metavar="WHICH",
    help="Who may wait: all, tagged, partition=NAME,... (account, user, qos), limit=4h..2d; again for and.",
)
@click.option("--max-wait", help="How long: 12h, or short=6h,long=24h.  [default: policy.max_wait, else 24h]")
@length_option("learned")
@click.option("--cluster", type=FILE, help="Partitions and nodes (YAML), in place of this cluster's.")
@click.option("--capacity", type=float, help="Plain units, in place of nodes.")
@unit_option("What --capacity counts.")
@click.option(
    "--power-w", type=float, help="Watts of a unit or node.  [default: the power model, docs/figures.md]"
)
@parameters_option
@anchor_option
@click.option("--observed", is_flag=True, help="What observe mode would have done, beside what happened.")
@json_option
@plot_option
def replay(
    config_path: Path | None,
    names: str,
    picture: Path | None,
    *,
    observed: bool,
    as_json: bool,
    **given: object,
) -> None:
    """Run this cluster's own past again under policies, and compare what each would have emitted.

    Runs come from sacct, nodes from sinfo, intensities from the ledger; each can be a file instead.
    Nothing is changed, and nothing switched on.

    \b
    Examples:
      carbonslurm replay                                    the last 30 days, all jobs flexible
      carbonslurm replay -S 2026-10-01 -E 2026-11-01 --flexible partition=gpu --flexible limit=4h..2d
      carbonslurm replay --jobs sacct.txt --carbon GB-2026.csv --cluster nodes.yaml --json
      carbonslurm replay --observed -S now-7days            what observe mode would have done
    """
    if observed:
        _observed(config_path, given, as_json=as_json)
        return
    from carbonslurm.cli import simulate_run as running
    from carbonslurm.cli.replay_input import past

    chosen = running.chosen_policies(names)
    size, cluster = cast("float | None", given["capacity"]), cast("Path | None", given["cluster"])
    running.check_size(size, cluster, cast("float | None", given["power_w"]))
    if picture is not None:
        from carbonslurm.cli.simulate_pictures import checked

        checked(picture)
    found = past(_wanted(config_path, given))
    _say_all(found.unread)
    runs = _compared(found.setting, chosen)
    _print(found.setting, runs, as_json=as_json)
    if picture is not None:
        from carbonslurm.cli.simulate_pictures import draw

        draw(picture, found.setting, runs)


def say(words: str) -> None:
    """Tell the user something on stderr."""
    program.say(words, "carbonslurm")


def _observed(config_path: Path | None, given: dict[str, object], *, as_json: bool) -> None:
    """Report what was observed; of the options only -S, -E and --json belong to it."""
    from carbonslurm.cli.forecast.asking import ledger_config
    from carbonslurm.cli.replay_observed import as_json as in_json
    from carbonslurm.cli.replay_observed import as_table, found
    from carbonslurm.errors import UsageError

    context = click.get_current_context()
    own = {"config_path", "starttime", "endtime", "observed", "as_json"}
    given_too = [
        option.opts[0]
        for option in context.command.params
        if option.name not in own
        and context.get_parameter_source(str(option.name)) is click.core.ParameterSource.COMMANDLINE
    ]
    if given_too:
        raise UsageError(f"--observed is about what was planned: {', '.join(given_too)} say nothing to it")
    window = _window(given | {"jobs": None})
    if window is None:
        raise AssertionError("without a file there is a window")
    report = found(ledger_config(config_path, "--observed"), window)
    click.echo(in_json(report) if as_json else as_table(report))


def _say_all(rows: Sequence[str]) -> None:
    from carbonslurm.cli import replay_output as output

    for line in output.unread(rows):
        say(line)


def _compared(setting: Setting, chosen: Sequence[str]) -> list[Run]:
    """Run the past as it was, no-wait, and the policies; and say what is to be known of it."""
    from carbonslurm.cli import replay_output as output
    from carbonslurm.cli import simulate_output
    from carbonslurm.cli.simulate_run import lived
    from carbonslurm.sim.history import as_it_was

    say(output.told(setting))
    real = as_it_was(setting)
    names = ["no-wait", *(name for name in chosen if name != "no-wait")]
    model, *others = (lived(setting, name) for name in names)
    runs, unknown = output.fairly(setting, [*([real] if real else []), model, *others])
    lines = [output.uncounted(unknown), output.trust(setting, real, model)]
    lines += [output.burdens(setting, model, runs), simulate_output.distrust(runs)]
    if setting.forecast == "perfect":
        lines.append(
            "the forecast is perfect: what is saved is a bound; --forecast issued, own or persistence"
        )
    for line in filter(None, lines):
        say(line)
    return runs


def _print(setting: Setting, runs: Sequence[Run], *, as_json: bool) -> None:
    from carbonslurm.cli import replay_output as output

    click.echo(output.as_json(setting, runs) if as_json else output.as_table(setting, runs))


def _wanted(config_path: Path | None, given: dict[str, object]) -> Wanted:
    from carbonslurm.cli.replay_input import Wanted
    from carbonslurm.cli.simulate_run import read_anchor
    from carbonslurm.sim.parameters import read_parameters
    from carbonslurm.sim.registry import POLICIES

    config = _config(config_path, given)
    words = cast("tuple[str, ...]", given["words"])
    return Wanted(
        config=config,
        window=_window(given),
        jobs=cast("Path | None", given["jobs"]),
        carbon=cast("tuple[Path, ...]", given["carbon"]),
        column=cast("str | None", given["column"]),
        forecast=str(given["forecast"]),
        flexible=_flexibility(config, given),
        capacity=cast("float | None", given["capacity"]),
        cluster=cast("Path | None", given["cluster"]),
        unit=str(given["unit"]),
        length=str(given["length"]),
        watts=cast("float | None", given["power_w"]),
        anchor=read_anchor(cast("str | None", given["anchor"])),
        # Slurm lets nobody delay the first in the queue; joint has an order of its own.
        parameters={"queue": "easy", "joint.queue": "latest-start"} | read_parameters(words, list(POLICIES)),
    )


def _config(config_path: Path | None, given: dict[str, object]) -> Config | None:
    """Return the site's configuration, which only what comes wholly from files can be without."""
    from carbonslurm.cli.forecast.asking import has_config, site_config
    from carbonslurm.errors import UsageError

    if given["forecast"] == "issued" and given["carbon"]:
        raise UsageError("--forecast issued are the ledger's: they do not belong to --carbon")
    if given["jobs"] and given["carbon"] and not has_config(config_path):
        return None
    return site_config(config_path, "replay asks the site that it names, unless given --jobs and --carbon")


def _window(given: dict[str, object]) -> Interval | None:
    from carbonslurm import wiring
    from carbonslurm.core.interval import Interval
    from carbonslurm.errors import UsageError
    from carbonslurm.formats.times import read_moment

    if given["jobs"] and not (given["starttime"] or given["endtime"]):
        return None
    now = wiring.now()
    start = read_moment(str(given["starttime"] or SINCE), now)
    end = read_moment(str(given["endtime"] or "now"), now)
    if end <= start:
        raise UsageError(f"--endtime {given['endtime'] or 'now'} does not lie behind --starttime")
    return Interval(start, end)


def _flexibility(config: Config | None, given: dict[str, object]) -> Flexibility:
    from carbonslurm.cli.simulate_run import read_max_wait
    from carbonslurm.sim.flexible import read_flexible
    from carbonslurm.sim.history import Flexibility
    from carbonslurm.sim.trace import MaxWait

    rule, by_tag = read_flexible(cast("tuple[str, ...]", given["flexible"]))
    if given["max_wait"]:
        wait = read_max_wait(str(given["max_wait"]))
    elif config is not None:
        wait = MaxWait(config.policy.max_wait, config.policy.max_wait)
    else:
        wait = read_max_wait(LONGEST)
    return Flexibility(rule, wait, by_tag)
