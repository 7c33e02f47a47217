"""Steps as sacct prints them, and the energy of a run by them, for sites where only they have it.

Slurm's counters are those of whole nodes, and steps run beside each other, so they are not simply added. The
extern step, which lasts as long as the job on all of its nodes, says it alone. Else it is the larger of two:
the batch step's, which is the first node's from start to end, and the sum of the numbered steps, which are
all nodes' while something was launched on them. Numbered steps side by side would count nodes twice: then
nothing is said. A step whose counter is a sentinel makes the sum unknown, too.

The job's own row says the extern step's energy where there is one (PrologFlags=Contain). Else slurmctld adds
up all steps, the batch step and those within it, so a job of several steps has up to twice what its nodes
took (step_mgr.c, _internal_step_complete): then its steps count and not its row.

A step's row has the columns of a job's, and is read as one, by the same rules; it counts as submitted when it
starts. It is in no figure, so one that cannot be true is only counted, and takes nothing along.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from carbonslurm.core.job import AccountedStep, RunKey
from carbonslurm.errors import DataError
from carbonslurm.formats.sacct_rows import RowReader, read_energy, read_name

IDS = ("JobIDRaw", "JobID")
COLUMNS = ("ConsumedEnergyRaw", "ConsumedEnergy")


class Steps:
    """The steps of one piece of sacct's output.

    Args:
        columns: the names of the fields, in order.
        reader: of rows of that shape.
    """

    def __init__(self, columns: Sequence[str], reader: RowReader) -> None:
        self._reader = reader
        self._ids = tuple(index for index, name in enumerate(columns) if name in IDS)
        self._rows: list[tuple[int, Sequence[str]]] = []
        at = {name: index for index, name in enumerate(columns)}
        self._energy = next((at[name] for name in COLUMNS if name in at), None)
        self._id = at["JobIDRaw"] if "JobIDRaw" in at else at["JobID"]
        self._submit = at["Submit"]
        self._start, self._end = at.get("Start"), at.get("End")
        self._found: defaultdict[int, dict[str, tuple[str, str, float | None]]] = defaultdict(dict)
        self.count = 0

    def add(self, run: int, row: Sequence[str]) -> None:
        """Note a step.

        Args:
            run: the number of the run that it stands behind, below zero for none.
            row: whole.
        """
        self.count += 1
        if run < 0:
            return
        self._rows.append((run, row))
        if self._energy is None:
            return
        times = [row[index] if index is not None else "" for index in (self._start, self._end)]
        name = row[self._id].partition(".")[2]
        self._found[run][name] = (times[0], times[1], _joules(row[self._energy]))

    def joules(self, own: Callable[[int], float | None]) -> Iterator[tuple[int, float | None]]:
        """Return the energy of each run that has steps, None where they do not let it be told.

        Args:
            own: what the row of a run itself says.
        """
        for run, steps in self._found.items():
            yield run, _energy(steps, own(run))

    def known(self, key_of: Callable[[int], RunKey]) -> Iterator[AccountedStep]:
        """Return the steps of runs, in order, without those that cannot be true.

        Args:
            key_of: gives the key of the run of a number.
        """
        for run, row in self._rows:
            try:
                yield self._step(key_of(run), row)
            except (DataError, ValueError):
                continue

    def _step(self, key: RunKey, row: Sequence[str]) -> AccountedStep:
        cells = list(row)
        for index in self._ids:
            cells[index] = row[index].partition(".")[0]
        if self._start is not None:
            cells[self._submit] = row[self._start]
        read = self._reader.run(cells)
        return AccountedStep(
            run=key,
            name=read_name(row[self._id].partition(".")[2]),
            job_name=read.name,
            state=read.state,
            exit_code=read.exit_code,
            started=read.started,
            ended=read.ended,
            tres=read.tres,
            energy_joules=read.energy_joules,
        )


def _joules(text: str) -> float | None:
    try:
        return read_energy(text)
    except DataError:
        return None


def _energy(steps: dict[str, tuple[str, str, float | None]], own: float | None) -> float | None:
    whole = {name: step[2] for name, step in steps.items()}
    numbered = sorted(step for name, step in steps.items() if name.isdigit())
    if whole.get("extern") or not numbered or not any(whole.values()):
        return own or whole.get("extern") or whole.get("batch")
    if any(earlier[1] > later[0] or not later[0] for earlier, later in pairwise(numbered)):
        return None
    if any(joules is None for *_, joules in numbered):
        return None
    return max(whole.get("batch") or 0.0, sum(joules or 0.0 for *_, joules in numbered)) or None
