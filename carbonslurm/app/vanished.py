"""What sacct showed without an end, and does not show any more: its end lies before all that is read.

Each reading of sacct reaches back for hours only. A run that has no end yet is in it, however old. But when
slurmdbd hears of its end a day late, or an admin mends a job whose end it never heard of (Slurm then ends it
where it began, years ago), the row leaves the window at that moment, and the ledger would take the run for
running for ever. So what has left without an end is asked for by its job id: once, since what slurmdbd has
purged is not there to be found.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from carbonslurm.core.accounted import Accounted
from carbonslurm.core.job import RunKey

AT_ONCE = 500  # job ids in one question


@dataclass(slots=True)
class Vanished:
    """Which of them were asked for, as long as this daemon lives."""

    asked: set[RunKey] = field(default_factory=set)

    def among(self, without_end: Sequence[RunKey], found: Accounted) -> Iterator[Sequence[RunKey]]:
        """Yield those to be asked for, some at once; each is asked for when the next ones are taken.

        Args:
            without_end: what the ledger knows no end of.
            found: what sacct shows now.
        """
        shown = {run.key for run in found.runs}
        set_aside = {(item.job, item.submitted) for item in found.aside}
        gone = [
            key
            for key in without_end
            if key not in shown and (str(key.job_id), key.submitted) not in set_aside
        ]
        self.asked &= set(gone)  # what came back may vanish again
        new = [key for key in gone if key not in self.asked]
        for first in range(0, len(new), AT_ONCE):
            batch = new[first : first + AT_ONCE]
            yield batch
            self.asked |= set(batch)
