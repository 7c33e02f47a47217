"""Every error that carbonslurm raises on purpose, named by what the caller can do about it.

::

    CarbonslurmError            exit code (sysexits.h)
    |- UsageError               64  type the command or the tag differently
    |- ConfigError              78  mend the configuration file, at the path the message names
    |- DataError                65  the input (forecast, trace, Slurm's output) is not what it should be
    |- UnavailableError         69  something we depend on is away: try again, or start it
    |  `- TryLaterError         69  it asks to be left alone: try again after that time
    |- RefusedError             77  somebody (Slurm, the file system) denies it: ask for the right
    `- LedgerError              74  the ledger cannot be read or written

Each message is one line for a person. Adapters translate foreign errors into these once, at their boundary,
with ``raise ... from``. Anything else that escapes is a bug and keeps its traceback.
"""

from datetime import timedelta


class CarbonslurmError(Exception):
    """The root: catching it catches everything that we raise on purpose."""

    exit_code = 70


class UsageError(CarbonslurmError):
    """The words of a command, or a tag, cannot be understood."""

    exit_code = 64


class ConfigError(CarbonslurmError):
    """The configuration has an unknown key, a wrong type or an impossible value."""

    exit_code = 78


class DataError(CarbonslurmError):
    """Data from outside does not say what it must say: it is refused whole."""

    exit_code = 65


class UnavailableError(CarbonslurmError):
    """A service, command or package that we need is not there now."""

    exit_code = 69


class TryLaterError(UnavailableError):
    """A service asks to be left alone for a while.

    Attributes:
        retry_after: for how long, None where it does not say.
    """

    def __init__(self, message: str, retry_after: timedelta | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RefusedError(CarbonslurmError):
    """The other side answered, and the answer was no."""

    exit_code = 77


class LedgerError(CarbonslurmError):
    """The ledger cannot be opened, read or written."""

    exit_code = 74
