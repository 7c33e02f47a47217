"""carbon-sbatch: sbatch, with a few options before sbatch's own.

It takes its own options first; from the first other word on everything goes to sbatch as it stands. sbatch's
stdout and exit code are kept, and what we have to say goes to stderr. All it adds for Slurm is the tag in the
job's comment: plain ``sbatch --comment=carbon:flex=12h`` does the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from carbonslurm.cli.program import HELP, config_option, run, say, version_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from carbonslurm.formats.sbatch import Request, Words

WITH_VALUE = ("--flex", "--finish-by", "--checkpoint", "--length", "--restart", "--config")
FLAGS = ("--full", "--now", "--plan", "--json", "-h", "--help", "-V", "--version")
# What an item of the tag is called among our options.
OPTIONS = {"now": "--now", "flex": "--flex", "finish": "--finish-by", "checkpoint": "--checkpoint"}
OPTIONS |= {"full": "--full", "restart": "--restart", "length": "--length"}
HINTED = frozenset({name.removeprefix("--") for name in (*OPTIONS.values(), "--plan")})
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
    """Submit a batch job that may wait for clean electricity.

    Our options come first; from the first other word on, everything is sbatch's.

    \b
    Examples:
      carbon-sbatch --flex 12h --gres=gpu:1 --time=4:00:00 train.sh
      carbon-sbatch --finish-by tomorrow --gres=gpu:4 train.sh
      carbon-sbatch --flex 1d --checkpoint USR1@120 --open-mode=append train.sh
      carbon-sbatch --plan --flex 12h --gres=gpu:1 --time=4:00:00 train.sh
      carbon-sbatch --now train.sh
    """
    from carbonslurm.formats.sbatch import read_request, read_words

    _refuse_unless_complete({"config": config_path, **given}, plan=plan, as_json=as_json)
    cut = read_words(words)
    script = _script(cut.script)
    request = read_request(words, script, os.environ)
    ours = _items(given)
    tag = _tag(ours, request)
    _hint(cut, ours)
    _hint_at_stops(tag, script, request)
    if plan:
        from carbonslurm.cli.sbatch_plan import show_plan

        if cut.script is not None and script is None:
            say(f"{cut.script}: no script that can be read: planned without its #SBATCH lines")
        show_plan(config_path, tag, request, as_json=as_json)
        return 0
    if not words:
        raise click.UsageError("no script to submit; see --help")
    return _sbatch(_argv(words, tag, request))


def _refuse_unless_complete(given: Mapping[str, object], *, plan: bool, as_json: bool) -> None:
    for name, value in given.items():
        if str(value) == "--":  # the mark that main() puts behind our words: there was no value before it
            raise click.UsageError(f"--{name.replace('_', '-')} needs a value")
    if as_json and not plan:
        raise click.UsageError("--json needs --plan")


# --- the tag ---


def _items(given: Mapping[str, object]) -> dict[str, str]:
    """The items of the tag that our options make, by name."""
    items = {"now": "now"} if given["now"] else {}
    if given["flex"] is not None:
        items["flex"] = f"flex={given['flex']}"
    if given["finish_by"] is not None:
        items["finish"] = f"finish={_finish(str(given['finish_by']))}"
    if given["checkpoint"] is not None:
        items["checkpoint"] = f"checkpoint={given['checkpoint']}"
    if given["full"]:
        items["full"] = "full"
    return items | {
        name: f"{name}={given[name]}" for name in ("restart", "length") if given[name] is not None
    }


def _finish(text: str) -> int:
    from carbonslurm import wiring
    from carbonslurm.core.interval import to_epoch
    from carbonslurm.errors import UsageError
    from carbonslurm.formats.times import read_moment

    try:
        return to_epoch(read_moment(text, wiring.now(), ahead=True))
    except UsageError as error:
        raise UsageError(f"--finish-by: {error}") from error


def _tag(ours: Mapping[str, str], request: Request) -> str | None:
    """The tag that our options and the comment's own make together, checked; None where neither has one.

    A tag that does not parse is refused here, before sbatch is called.
    """
    from carbonslurm.core.tag import PREFIX, find_tag, parse_declaration
    from carbonslurm.errors import UsageError

    theirs = find_tag(request.comment or "")
    if not ours and theirs is None:
        return None
    tag = PREFIX + ",".join([*ours.values(), *_kept(ours, theirs)])
    try:
        parse_declaration(tag)
    except UsageError as error:
        item, _, problem = str(error).removeprefix(PREFIX).strip().partition(": ")
        if item not in ours:
            raise
        raise UsageError(f"{OPTIONS[item]}: {problem}") from error
    return _with_deadline(tag, request)


def _kept(ours: Mapping[str, str], theirs: str | None) -> list[str]:
    """Of the comment's own tag the items that our options leave: what may wait does not start now."""
    from carbonslurm.core.tag import PREFIX

    if theirs is None or "now" in ours:
        return []
    replaced = {*ours, "now"} if {"flex", "finish"} & set(ours) else {*ours}
    items = theirs.removeprefix(PREFIX).split(",")
    return [item for item in items if item.partition("=")[0] not in replaced]


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


# --- the words ---


def _argv(words: Sequence[str], tag: str | None, request: Request) -> Sequence[str]:
    """sbatch's words: with our tag in the comment, and as they stand where that says it already."""
    from carbonslurm.core.tag import find_tag
    from carbonslurm.formats.sbatch import comment_with, with_comment

    if tag is None or tag == find_tag(request.comment or ""):
        return words
    return with_comment(words, comment_with(tag, request.comment))


def _script(word: str | None) -> str | None:
    """The text of the script that a word names, None where there is no such script to read."""
    if word is None:
        return None
    try:
        path = Path(word)
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    except (OSError, ValueError):
        return None
    return text if text.startswith("#!") else None


def _hint(cut: Words, ours: Mapping[str, str]) -> None:
    from carbonslurm.core.interval import from_epoch
    from carbonslurm.formats.times import local_text

    late = [option.words[0] for option in cut.options if option.name in HINTED]
    if late:
        say(f"{late[0]} stands among sbatch's words and is sbatch's; ours come first (carbon-sbatch --help)")
    if "finish" in ours:
        finish = from_epoch(int(ours["finish"].removeprefix("finish=")))
        say(f"must have ended by {local_text(finish)}")


def _hint_at_stops(tag: str | None, script: str | None, request: Request) -> None:
    """Say what a job that may be stopped is likely to lack: one line each."""
    from carbonslurm.core.tag import parse_declaration
    from carbonslurm.formats.sbatch import lacks_trap

    checkpoint = parse_declaration(tag).checkpoint if tag else None
    if checkpoint is None:
        return
    if not request.appends:
        say("a job that is requeued truncates its output file; --open-mode=append keeps it")
    if not checkpoint.full and lacks_trap(script, checkpoint.signal):
        name = checkpoint.signal
        say(f"no trap for {name} is seen in the script: without one that signal ends the job as FAILED")
    if request.mails_requeues:
        say("each stop will send a mail; --mail-type without REQUEUE or ALL sends none")


def _sbatch(argv: Sequence[str]) -> int:
    try:
        return subprocess.run(["sbatch", *argv], check=False).returncode  # noqa: S607 - as the user's PATH says
    except FileNotFoundError:
        say("sbatch: no such command")
        return NO_SBATCH


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
