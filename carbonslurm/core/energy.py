"""The energy of a run, from the best that is known of it: measured as a whole, in part, or modelled.

Who measures sees the whole of the nodes, or only their GPUs, or only their processors. What a meter does not
see is modelled beside it, and the figure says so. A number is believed if it can be: above nothing, below
what the devices can draw at full load, and not a small fraction of what the model expects; a counter that
wrapped, that was read from another job's time, or that belongs to another unit, fails one of these. Slurm's
own counters are those of whole nodes, so they are a run's own only where nobody else could run beside it.

Nothing here knows of PUE: meters of machines do not see the room.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from carbonslurm.core.job import AccountedRun
from carbonslurm.core.power import Parts, PowerModel
from carbonslurm.core.units import kwh_from_joules, kwh_from_watts

MODELLED = "modelled"
SLURM = "slurm"
ABOVE = 1.2  # boards exceed their limits for moments, and supplies lose a tenth
BELOW = 0.05  # of what the model expects; an idle GPU draws about a tenth of its limit


class Covers(StrEnum):
    """What a meter sees of a run."""

    NODES = "nodes"  # all of its nodes, or its share of them
    GPUS = "gpus"
    CPUS = "cpus"  # processors, with or without their memory


class Quality(StrEnum):
    """How much of an energy was measured."""

    MEASURED = "measured"
    PARTLY = "partly"
    MODELLED = "modelled"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What somebody measured of one run.

    Attributes:
        source: ``slurm``, or the name of a query.
        covers: what was measured.
        kwh: of the whole run, without what the room adds.
    """

    source: str
    covers: Covers
    kwh: float


@dataclass(frozen=True, slots=True)
class Energy:
    """What a run's machines took.

    Attributes:
        kwh: of the whole run, without what the room adds.
        method: who measured it, joined by `` + ``; ``modelled`` where or in so far as nobody did.
        quality: how much of it was measured.
    """

    kwh: float
    method: str
    quality: Quality


def slurm_measurement(run: AccountedRun, covers: Covers | None, model: PowerModel) -> Measurement | None:
    """Return what Slurm measured of a run, None where that is not the run's own.

    Args:
        run: it.
        covers: what the site's AcctGatherEnergyType sees, None where it is not to be used.
        model: for how many CPUs a node has.
    """
    if covers is None or run.energy_joules is None or not model.holds_whole_nodes(run.tres):
        return None
    return Measurement(SLURM, covers, kwh_from_joules(run.energy_joules))


def best_energy(
    run: AccountedRun, length: timedelta, measured: Sequence[Measurement], model: PowerModel
) -> Energy:
    """Return the energy of a run.

    Args:
        run: it.
        length: from its start to its end.
        measured: the best first; those that cannot be believed are passed over.
        model: for what nobody measured, and for what can be believed.
    """
    expected = _kwh(model.parts(run.tres), length)
    if not measured:
        return Energy(expected.total, MODELLED, Quality.MODELLED)
    most = _kwh(model.most(run.tres), length)
    believed: dict[Covers, Measurement] = {}
    for each in measured:
        if _is_sane(each.kwh, _part(expected, each.covers), _part(most, each.covers)):
            believed.setdefault(each.covers, each)
    if whole := believed.get(Covers.NODES):
        return Energy(whole.kwh, whole.source, Quality.MEASURED)
    if not believed:
        return Energy(expected.total, MODELLED, Quality.MODELLED)
    kwh = expected.nodes
    for covers in (Covers.GPUS, Covers.CPUS):
        kwh += believed[covers].kwh if covers in believed else _part(expected, covers)
    method = " + ".join([*(each.source for each in believed.values()), MODELLED])
    return Energy(kwh, method, Quality.PARTLY)


def _kwh(watts: Parts, length: timedelta) -> Parts:
    return Parts(
        kwh_from_watts(watts.gpus, length),
        kwh_from_watts(watts.cpus, length),
        kwh_from_watts(watts.nodes, length),
    )


def _part(energy: Parts, covers: Covers) -> float:
    match covers:
        case Covers.GPUS:
            return energy.gpus
        case Covers.CPUS:
            return energy.cpus
    return energy.total


def _is_sane(kwh: float, expected: float, most: float) -> bool:
    return kwh > 0 and BELOW * expected <= kwh <= ABOVE * most
