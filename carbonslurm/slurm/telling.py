"""One command for many jobs, and what Slurm says to each of them."""

from collections.abc import Callable, Mapping, Sequence

from carbonslurm.formats.scontrol import read_refusals
from carbonslurm.slurm.wire import Wire, failure, is_away

BATCH = 200  # ids in one command: well below the kernel's limit of one argument (128 KiB)


def tell(
    wire: Wire, specs: Sequence[str], command: Callable[[Sequence[str]], list[str]]
) -> Mapping[str, str | None]:
    """Run a command on jobs, a batch at a time; return job spec -> None, or Slurm's refusal.

    Raises:
        UnavailableError: Slurm is away; nobody knows what was done.
    """
    answers: dict[str, str | None] = {}
    for first in range(0, len(specs), BATCH):
        batch = specs[first : first + BATCH]
        answer = wire.ask(command(batch))
        if answer.returncode != 0 and is_away(answer.stderr):
            raise failure("scontrol", answer)
        answers.update(read_refusals(batch, answer.returncode, answer.stderr))
    return answers
