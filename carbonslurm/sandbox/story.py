"""The story that bin/demo plays: a grid, a handful of jobs, what is asked of them. Data and pure functions.

Hours are compressed to ``HOUR`` seconds, nothing else is: Slurm, the database, the daemon and the jobs are
real. At first the forecast says: dirty for five hours, then clean. At half past seven a new one is published:
the grid will turn dirty at nine, for five hours. A job that could wait is let go before that; one that runs
and can checkpoint is stopped when it turns dirty, and goes on when it is clean again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

HOUR = timedelta(seconds=4)
NEWS_AT = 7.5

# From which hour on the grid emits how much, in g/kWh.
FIRST_FORECAST = ((0, 480.0), (5, 120.0), (11, 60.0), (14, 200.0))
SECOND_FORECAST = ((0, 480.0), (5, 120.0), (9, 520.0), (14, 130.0))

CHECKPOINTING = r"""#!/bin/bash
#SBATCH --open-mode=append
# Counts seconds of work. On USR1 it saves, says so in its job record, and goes on until it is killed.
state="$PWD/progress.$SLURM_JOB_ID"
done_s=$(cat "$state" 2>/dev/null || echo 0)
save() {
    echo "$done_s" > "$state"
    scontrol update JobId="$SLURM_JOB_ID" Comment="carbon:saved:${SLURM_RESTART_COUNT:-0}"
}
trap save USR1
echo "start ${SLURM_RESTART_COUNT:-0}: $done_s s done already"
while [ "$done_s" -lt @SECONDS@ ]; do
    sleep 1 & wait $!
    done_s=$((done_s + 1))
done
echo "all $done_s s done"
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One job of the story.

    Attributes:
        name: its --job-name.
        hours: how long it works, in hours of the story.
        gpus: how many.
        flex: how many hours it may wait; None for a job that is not flexible.
        at: the hour in which it is submitted.
        checkpoints: whether it can be stopped.
    """

    name: str
    hours: float
    gpus: int
    flex: float | None = None
    at: float = 0
    checkpoints: bool = False

    def seconds(self) -> int:
        """How long it really works."""
        return round(self.hours * HOUR.total_seconds())

    def script(self) -> str:
        """Return its batch script."""
        if self.checkpoints:
            return CHECKPOINTING.replace("@SECONDS@", str(self.seconds()))
        return f"#!/bin/bash\nsleep {self.seconds()}\n"

    def options(self) -> list[str]:
        """Return what stands before sbatch's own words, for carbon-sbatch."""
        if self.flex is None:
            return []
        words = ["--flex", f"{round(self.flex * HOUR.total_seconds())}s", "--length", f"{self.seconds()}s"]
        return words + (["--checkpoint", "USR1@4", "--restart", "2s"] if self.checkpoints else [])

    def sbatch_words(self) -> list[str]:
        """Return sbatch's own words."""
        words = [f"--job-name={self.name}", f"--gres=gpu:{self.gpus}", "--time=10", "--parsable"]
        return words + (["--open-mode=append"] if self.checkpoints else [])


PARTS: Sequence[Part] = (
    Part("urgent", hours=2, gpus=4),
    Part("train", hours=3, gpus=4, flex=8),
    Part("long-train", hours=10, gpus=4, flex=17, checkpoints=True),
    Part("sweep", hours=1, gpus=2, flex=20),
    Part("notebook", hours=1, gpus=1, at=2),
)


def in_seconds(levels: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return levels counted in seconds of the clock instead of hours of the story."""
    return [(hour * HOUR.total_seconds(), value) for hour, value in levels]


def level_at(levels: Sequence[tuple[float, float]], hour: float) -> float:
    """Return the g/kWh in an hour of the story."""
    return [value for since, value in levels if since <= hour][-1]
