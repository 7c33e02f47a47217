"""sdiag: how many calls slurmctld has answered, for whom, and how long that took it. Pure.

The text is read, not the JSON: 22.05 counts RPCs in its text only. Its shape is the same from 22.05 to 26.05.
Counts run since slurmctld was started, since the last midnight (UTC), or since somebody reset them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from carbonslurm.core.interval import from_epoch
from carbonslurm.errors import DataError

_AT = re.compile(r"^sdiag output at .*\(([0-9]{1,10})\)\s*$", re.MULTILINE)
_SINCE = re.compile(r"^Data since .*\(([0-9]{1,10})\)\s*$", re.MULTILINE)
_BY_USER = re.compile(r"^Remote Procedure Call statistics by user.*\n((?:\t.*(?:\n|\Z))*)", re.MULTILINE)
_ROW = re.compile(
    r"^\t(\S+)\s+\(\s*([0-9]{1,10})\)\s+count:([0-9]{1,18})\s+ave_time:[0-9]+\s+total_time:([0-9]{1,18})",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Share:
    """What one user's calls were to slurmctld."""

    name: str
    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What sdiag says of calls.

    Attributes:
        at: slurmctld's time.
        since: from when on it has counted.
        users: by user id; the busiest ones, where there are very many.
    """

    at: datetime
    since: datetime
    users: Mapping[int, Share]

    @property
    def calls(self) -> int:
        """All users' calls."""
        return sum(share.calls for share in self.users.values())

    @property
    def seconds(self) -> float:
        """What they took slurmctld."""
        return sum(share.seconds for share in self.users.values())


def read_sdiag(text: str) -> Diagnosis:
    """Read what ``sdiag`` printed.

    Raises:
        DataError: it is not sdiag's text.
    """
    at, since, rows = _AT.search(text), _SINCE.search(text), _BY_USER.search(text)
    if at is None or since is None or rows is None:
        raise DataError("sdiag: no times, or no statistics by user")
    users = {
        int(uid): Share(name, int(calls), int(microseconds) / 1e6)
        for name, uid, calls, microseconds in _ROW.findall(rows.group(1))
    }
    return Diagnosis(from_epoch(int(at.group(1))), from_epoch(int(since.group(1))), users)
