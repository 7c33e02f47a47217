"""carbon-sbatch: sbatch, with a few options before sbatch's own.

It takes its own options first; from the first other word on everything goes to sbatch as it stands. sbatch's
stdout and exit code are kept, and what we have to say goes to stderr. All it adds for Slurm is the tag in the
job's comment: plain ``sbatch --comment=carbon:flex=12h`` does the same.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm.cli.program import HELP, config_option, load_config, run, say, version_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbonslurm.app.preview import Preview
    from carbonslurm.core.tag import Declaration
    from carbonslurm.formats.sbatch import Request

WITH_VALUE = ("--flex", "--finish-by", "--checkpoint", "--length", "--restart", "--config")
FLAGS = ("--full", "--now", "--plan", "--json", "-h", "--help", "-V", "--version")
HINTED = ("--flex", "--finish-by", "--checkpoint", "--plan", "--now")
NO_SBATCH = 127  # the shell's code for a command that is not there


@click.command(context_settings=HELP)
@config_option
@click.option("--flex", metavar="DURATION", help="May wait this long for clean hours: 90m, 12h, 1d12h.")
@click.option(
    "--finish-by", metavar="TIME", help="Must have ended by then: 18:00, 2026-11-23T08:00, now+2days."
)
@click.option(
    "--checkpoint", metavar="SIG[@GRACE]", help="May be stopped by this signal and requeued: USR1@120."
)
@click.option("--full", is_flag=True, help="Send that signal to the script's children too.")
@click.option("--restart", metavar="DURATION", help="How long it takes to load its checkpoint.")
@click.option("--length", metavar="DURATION", help="How long you expect it to run, if less than --time.")
@click.option("--now", is_flag=True, help="Start at once, even where the site makes such jobs flexible.")
@click.option("--plan", is_flag=True, help="Show what would happen, and submit nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --plan: as an object.")
@version_option
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[SBATCH OPTIONS] SCRIPT [ARGS]...")
def carbon_sbatch(
    config_path: Path | None, *, words: tuple[str, ...], plan: bool, as_json: bool, **given: object
) -> int:
    r"""Submit a batch job that may wait for clean electricity.

    Our options come first; from the first other word on, everything is sbatch's.

    \b
    Examples:
      carbon-sbatch --flex 12h --gres=gpu:1 --time=4:00:00 train.sh
      carbon-sbatch --finish-by tomorrow --gres=gpu:4 train.sh
      carbon-sbatch --flex 1d --checkpoint USR1@120 --open-mode=append train.sh
      carbon-sbatch --plan --flex 12h --time=4:00:00 train.sh
      carbon-sbatch --now train.sh
    """
    from carbonslurm.formats.sbatch import read_request, with_comment

    request = read_request(words, _script(words))
    tag = _tag(given, request)
    _hint(words, given, appends=request.appends)
    if plan:
        _show_plan(config_path, tag, request, as_json=as_json)
        return 0
    if not words:
        raise click.UsageError("no script to submit; see --help")
    argv = words if tag is None else with_comment(words, _comment(tag, request))
    return _sbatch(argv)


def _tag(given: dict[str, object], request: Request) -> str | None:
    """The tag that our options make, checked; else the one that the comment has, checked likewise.

    A tag that does not parse is refused here, before sbatch is called.
    """
    from carbonslurm.core.tag import find_tag, parse_declaration

    text = _from_options(given) or find_tag(request.comment or "")
    if text is not None:
        parse_declaration(text)
    return _with_deadline(text, request)


def _with_deadline(tag: str | None, request: Request) -> str | None:
    """Put sbatch's --deadline into the tag: the hook, which sets the planning window, cannot see it."""
    from carbonslurm import wiring
    from carbonslurm.core.interval import to_epoch
    from carbonslurm.core.tag import parse_declaration
    from carbonslurm.errors import UsageError
    from carbonslurm.formats.times import read_moment

    if tag is None or request.deadline is None:
        return tag
    declared = parse_declaration(tag)
    if declared.now or declared.finish is not None:
        return tag
    try:
        finish = read_moment(request.deadline, wiring.now(), ahead=True)
    except UsageError:
        return tag  # in a form that sbatch may know and we do not: Slurm keeps the deadline itself
    return f"{tag},finish={to_epoch(finish)}"


def _from_options(given: dict[str, object]) -> str | None:
    from carbonslurm import wiring
    from carbonslurm.core.interval import to_epoch
    from carbonslurm.formats.times import read_moment

    items = ["now"] if given["now"] else []
    items += [f"flex={given['flex']}"] if given["flex"] else []
    if given["finish_by"]:
        finish = read_moment(str(given["finish_by"]), wiring.now(), ahead=True)
        items.append(f"finish={to_epoch(finish)}")
    items += [f"checkpoint={given['checkpoint']}"] if given["checkpoint"] else []
    items += ["full"] if given["full"] else []
    items += [f"{name}={given[name]}" for name in ("restart", "length") if given[name]]
    return f"carbon:{','.join(items)}" if items else None


def _comment(tag: str, request: Request) -> str:
    """The owner's own comment stays, behind the tag; a tag in it gives way to ours."""
    rest = [word for word in (request.comment or "").split() if not word.startswith("carbon:")]
    return " ".join([tag, *rest])


def _script(words: Sequence[str]) -> str | None:
    """The text of the script: the first word that is a readable file and begins like one."""
    for word in words:
        path = Path(word)
        try:
            if not word.startswith("-") and path.is_file():
                text = path.read_text(encoding="utf-8", errors="replace")
                if text.startswith("#!"):
                    return text
        except OSError:
            continue
    return None


def _hint(words: Sequence[str], given: dict[str, object], *, appends: bool) -> None:
    late = [word for word in words if word.split("=", maxsplit=1)[0] in HINTED]
    if late:
        say(f"{late[0]} stands among sbatch's words and is sbatch's; ours come first (carbon-sbatch --help)")
    if given["checkpoint"] and not appends:
        say("a job that is requeued truncates its output file; --open-mode=append keeps it")


def _sbatch(argv: Sequence[str]) -> int:
    try:
        return subprocess.run(["sbatch", *argv], check=False).returncode  # noqa: S607 - as the user's PATH says
    except FileNotFoundError:
        say("sbatch: no such command")
        return NO_SBATCH


# --- the plan ---


def _show_plan(config_path: Path | None, tag: str | None, request: Request, *, as_json: bool) -> None:
    from carbonslurm.core.tag import parse_declaration
    from carbonslurm.errors import UsageError

    declared = parse_declaration(tag) if tag else None
    if declared is None or declared.now or not (declared.flex or declared.finish):
        raise UsageError("--plan needs a job that may wait: --flex or --finish-by")
    found, note = _preview(config_path, declared, request)
    click.echo(_plan_json(found) if as_json else _plan_text(found))
    if note:
        say(note)


def _preview(config_path: Path | None, declared: Declaration, request: Request) -> tuple[Preview, str | None]:
    from carbonslurm import wiring
    from carbonslurm.app.fetch import usable_forecasts
    from carbonslurm.app.preview import preview

    config = load_config(config_path)
    rules, now = wiring.plan_rules(config), wiring.now()
    partition = request.partition or ""
    zone = rules.zones.partitions.get(partition, rules.zones.default)
    book = wiring.reading(config)
    try:
        state = usable_forecasts(book, [zone], now, config.policy.forecast_age)[zone]
    finally:
        book.close()
    found = preview(
        declared,
        limit=request.time,
        partition=partition,
        tres=request.tres,
        series=state.series,
        rules=rules,
        now=now,
    )
    return found, state.reason


def _plan_text(found: Preview) -> str:
    from carbonslurm.formats.terminal import columns, grams_text
    from carbonslurm.formats.times import length_text, local_text

    def intensity(mean: float | None) -> str:
        return "unknown" if mean is None else f"{mean:.0f} g/kWh"

    rows = [
        ["planned start", local_text(found.start), found.reason],
        ["latest start", local_text(found.bound), ""],
        ["length", length_text(found.length), "as predicted: --length, else --time"],
        ["if started now", grams_text(found.g_now), intensity(found.mean_now)],
        ["as planned", grams_text(found.g_then), intensity(found.mean_then)],
    ]
    if found.g_now and found.g_then is not None:
        saved = found.g_now - found.g_then
        rows.append(["expected saving", grams_text(saved), f"{100 * saved / found.g_now:.1f} %"])
    return columns([], rows)


def _plan_json(found: Preview) -> str:
    import json

    from carbonslurm.core.interval import iso

    values: dict[str, Any] = {
        "planned_start": iso(found.start),
        "latest_start": iso(found.bound),
        "length_s": found.length.total_seconds(),
        "g_now": found.g_now,
        "g_planned": found.g_then,
        "g_per_kwh_now": found.mean_now,
        "g_per_kwh_planned": found.mean_then,
        "reason": found.reason,
    }
    return json.dumps(values, indent=1)


def split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Cut the words in two: our own options, and all from the first other word on."""
    index = 0
    while index < len(argv):
        name, mark, _ = argv[index].partition("=")
        if argv[index] == "--":
            return list(argv[:index]), list(argv[index + 1 :])
        if name in WITH_VALUE:
            index += 1 if mark else 2
        elif argv[index] in FLAGS:
            index += 1
        else:
            break
    return list(argv[:index]), list(argv[index:])


def main() -> None:
    """Run carbon-sbatch."""
    own, theirs = split(sys.argv[1:])
    run(carbon_sbatch, [*own, "--", *theirs], name="carbon-sbatch")
