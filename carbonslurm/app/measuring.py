"""Asking whoever has meters about the runs that ended.

Each source is asked about the runs that are due, one by one. The first question without an answer ends its
round, and nothing is written about that run: the source is away, which says nothing of the run. An answer
that cannot be used is written down with its reason, and the run is asked about again later.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from carbonslurm.errors import DataError, RefusedError, UnavailableError
from carbonslurm.ports import Asking, EnergySource, MeasurementBook


@dataclass(frozen=True, slots=True)
class Measuring:
    """The parts of it, and its story in ``run``."""

    cluster: str
    sources: Sequence[EnergySource]
    book: MeasurementBook
    clock: Callable[[], datetime]
    log: Callable[[str], None]

    def run(self) -> int:
        """Ask about what is due; return of how many runs something was measured."""
        return sum(self._round(source) for source in self.sources)

    def _round(self, source: EnergySource) -> int:
        now = self.clock()
        asked: list[Asking] = []
        complaints: list[str] = []
        for run in self.book.runs_to_measure(self.cluster, source.name, source.partitions, now):
            try:
                asked.append(Asking(run.key, source.measure(run, now)))
            except UnavailableError as error:
                complaints.append(str(error))
                break
            except (DataError, RefusedError) as error:
                complaints.append(f"run of job {run.key.job_id}: {error}")
                asked.append(Asking(run.key, None, str(error)))
        self._tell(source, complaints)
        return self.book.keep_measurements(source.name, asked, now)

    def _tell(self, source: EnergySource, complaints: Sequence[str]) -> None:
        if complaints:
            more = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
            self.log(f"{source.name}: {complaints[0]}{more}")
