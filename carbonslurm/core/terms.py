"""The terms on which joint places jobs: how finely it looks, how cautious it is, what a change must gain."""

from dataclasses import dataclass, field

from carbonslurm.core.prices import Search


@dataclass(frozen=True, slots=True)
class Joint:
    """How joint plans.

    Attributes:
        search: for the prices; ``again`` iterations where those of the last search still hold.
        again: see there.
        every: seconds; prices are searched for anew when so much has passed.
        slot: seconds.
        slots: at most so many are looked at.
        slack: slots; the longest slack that is told from longer ones.
        rest: slots; the longest rest likewise.
        usual: jobs to come are expected to need at most this share of a pool: no rush lasts.
        caution: how much more where lengths are not known, for each standard deviation that equals the mean.
        full: above this share of a pool, needed by what cannot wait, not all promises can be kept.
        slight: up to so much above that a job with its last chance may still have another one stopped.
        size: then a job comes so much later, as a multiple of the time that its run takes of the whole pool.
        behind: seconds; and one whose promise is given up so much later, behind those that can be kept: as
            long as the longest rush on the traces of docs/bench.md, and not for ever.
        keep: g/kWh as a share of the mean; what a change must gain.
        equal: likewise; advantages that differ by less are equals.
        explain: whether to say why, job by job.
    """

    search: Search = field(default_factory=Search)
    every: float = 3600.0
    slot: float = 3600.0
    slots: int = 48
    slack: int = 48
    rest: int = 48
    usual: float = 0.75
    caution: float = 0.25
    full: float = 1.0
    slight: float = 0.5
    size: float = 50.0
    behind: float = 14 * 86_400.0
    keep: float = 0.005
    equal: float = 0.001
    explain: bool = False
