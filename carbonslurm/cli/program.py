"""How every command begins and ends: options that all share, errors as one line, exit codes."""

import errno
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from carbonslurm import __version__
from carbonslurm.errors import CarbonslurmError, UsageError
from carbonslurm.formats.terminal import cleaned

Command = TypeVar("Command", bound=Callable[..., Any])

UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}
HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def run(command: click.Command, argv: Sequence[str] | None = None, name: str | None = None) -> None:
    """Run a command and end the process with its exit code."""
    words = None if argv is None else list(argv)
    called = name or Path(sys.argv[0]).name
    try:
        code = command.main(words, prog_name=called, standalone_mode=False)
        if sys.stdout is not None:  # None where it was closed before we began
            sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help(), err=True)
        sys.exit(UsageError.exit_code)
    except click.ClickException as error:
        say(error.format_message(), called)
        sys.exit(UsageError.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except CarbonslurmError as error:
        say(str(error), called)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        _leave_stdout()  # the reader (head, less) has gone: nothing is lost
        sys.exit(0)
    except OSError as error:
        # Of a file with a name whoever opened it has spoken: what is left is what the output goes to.
        if error.filename is not None or error.errno not in UNWRITABLE:
            raise
        _leave_stdout()
        say(f"the output cannot be written: {error.strerror}", called)
        sys.exit(os.EX_IOERR)
    sys.exit(code if isinstance(code, int) else 0)


def _leave_stdout() -> None:
    """Send what is left of the output nowhere: Python must not complain of it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(words: str, called: str | None = None) -> None:
    """Tell the user something on stderr, under the command's own name."""
    name = called or Path(sys.argv[0]).name
    # The tag's own messages begin with its prefix: under "carbon-sbatch:" that would be said twice.
    said = words.removeprefix("carbon: ") if name.startswith("carbon") else words
    click.echo(f"{name}: {cleaned(said)}", err=True)


def config_option(command: Command) -> Command:
    """Give a command --config, and what it reads as its first argument."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path, readable=False),
        help="The configuration.  [default: $CARBONSLURM_CONFIG, else /etc/carbonslurm/carbonslurm.yaml]",
    )(command)


def load_config(path: Path | None) -> Any:
    """Read the configuration, from its default place where no path is given."""
    from carbonslurm import config

    return config.load(path or config.default_path())


def log_to_stderr(*, verbose: bool = False) -> None:
    """Send the log to stderr; under systemd without times, since the journal has its own."""
    under_systemd = "JOURNAL_STREAM" in os.environ
    form = "%(levelname)s %(message)s" if under_systemd else "%(asctime)s %(levelname)-7s %(message)s"
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format=form, stream=sys.stderr)
    for talkative in ("apscheduler", "httpx", "alembic"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    # It warns of a home that it cannot write to, as a daemon's account has.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # It warns each second of a task that is still running; the daemon itself says what takes long.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)


class JobIds(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer clicks only
    """Job ids as Slurm's commands take them: ``12,13_4``, into (id, task) pairs; no task is None."""

    name = "job ids"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the ids; digits only, since Python would read 6_3 as 63."""
        if not isinstance(value, str):
            return value
        found = [re.fullmatch(r"([0-9]{1,10})(?:_([0-9]{1,10}))?", word) for word in value.split(",")]
        if not all(found):
            self.fail(f"expected job ids such as 12,13_4, got {value!r}", param, ctx)
        return tuple((int(it[1]), None if it[2] is None else int(it[2])) for it in found if it)


version_option = click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
