"""One command of Slurm, run once.

libslurm retries by itself, some versions without end, so every call has a timeout. A user's SQUEUE_FORMAT, a
locale or a time zone must not change what we read, so the environment is made anew for each call; only what
leads to Slurm is kept.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from carbonslurm.errors import RefusedError, UnavailableError

KEPT = ("PATH", "HOME", "USER", "LOGNAME", "SLURM_CONF", "LD_LIBRARY_PATH", "SLURM_JWT")
# The words with which Slurm's commands say that slurmctld or slurmdbd did not answer, or not yet: all
# versions from 22.05 to 26.05 (slurm_errno.c, and the resolver's own words).
AWAY = (
    "Unable to contact slurm controller",
    "Connection refused",
    "Connection timed out",
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Transport endpoint",
    "Could not establish a configuration source",
    "Problem talking to the database",
    "Sending PersistInit",
    "Protocol authentication error",
    "Munge encode failed",
    "backup controller",
    "in standby mode",
    "Resource temporarily unavailable",
)
REFUSING = ("Access/permission denied", "Invalid user id", "Not authorized")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed, bytes untouched, and how it ended."""

    returncode: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """What it printed as text; bytes that are not UTF-8 become replacement characters."""
        return self.stdout.decode("utf-8", errors="replace")


def clean_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for one call: epochs, UTC, C locale, and array ranges in full."""
    kept = {name: given[name] for name in KEPT if name in given}
    return kept | {"LC_ALL": "C", "TZ": "UTC", "SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}


@dataclass(frozen=True, slots=True)
class Wire:
    """Runs Slurm's commands.

    Attributes:
        timeout: of one call.
        environment: what leads to Slurm (PATH, SLURM_CONF); None for this process's own.
    """

    timeout: timedelta = timedelta(seconds=30)
    environment: Mapping[str, str] | None = None

    def ask(self, argv: Sequence[str]) -> Answer:
        """Run a command and return its answer, whatever its exit code.

        Raises:
            UnavailableError: the command is not there, or did not end in time.
        """
        given = os.environ if self.environment is None else self.environment
        try:
            done = subprocess.run(
                list(argv),
                env=clean_environment(given),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self.timeout.total_seconds(),
                check=False,
            )
        except FileNotFoundError as error:
            raise UnavailableError(f"{argv[0]}: no such command: Slurm's commands must be in PATH") from error
        except subprocess.TimeoutExpired as error:
            raise UnavailableError(f"{argv[0]}: no answer in {self.timeout.total_seconds():.0f} s") from error
        return Answer(done.returncode, done.stdout, done.stderr.decode("utf-8", errors="replace"))

    def read(self, argv: Sequence[str]) -> Answer:
        """Run a command that must succeed.

        Raises:
            UnavailableError: Slurm is away.
            RefusedError: Slurm says no.
        """
        answer = self.ask(argv)
        if answer.returncode != 0:
            raise failure(argv[0], answer)
        return answer


def is_away(stderr: str) -> bool:
    """Tell whether a command failed because Slurm did not answer: then nobody knows what was done.

    A command that fails without a word was cut off in the middle.
    """
    return not stderr.strip() or any(words in stderr for words in AWAY)


def failure(command: str, answer: Answer) -> UnavailableError | RefusedError:
    """Return the named error for a failed command, with Slurm's own last line."""
    lines = [line.strip() for line in answer.stderr.splitlines() if line.strip()]
    line = lines[-1] if lines else f"{command}: ended with {answer.returncode} and no word"
    return UnavailableError(line) if is_away(answer.stderr) else RefusedError(line)
