"""Several zones, as ``simulate`` takes them: where pools stand, which jobs may choose, what moving costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbonslurm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbonslurm.cli.simulate_input import Wanted
    from carbonslurm.core.places import Transfer
    from carbonslurm.sim.comparison import Places, Run, Setting
    from carbonslurm.sim.pools import ClusterShape
    from carbonslurm.sim.trace import Trace


def laid_out_places(
    wanted: Wanted, zones: Sequence[str], shape: ClusterShape | None, trace: Trace, pool_of: Sequence[int]
) -> tuple[list[int], Places | None]:
    """Return the number of each pool's zone, and what jobs may choose; None where there is one zone.

    Without a description of the cluster there is one pool in each zone, and every job may run in any.

    Raises:
        UsageError: a partition stands in a zone of which there are no intensities.
    """
    import numpy as np

    from carbonslurm.sim.comparison import Places
    from carbonslurm.sim.setting import choices_on_cluster

    transfer = read_transfer(wanted.transfer)
    zone_of = list(range(len(zones))) if shape is None else _zone_of(shape, zones)
    if len(zones) == 1:
        return zone_of, None
    if shape is None:
        choices = np.ones((len(trace), len(zones)), dtype=np.bool_)
    else:
        choices = choices_on_cluster(trace, shape, pool_of)
    data = [wanted.data_gb if job.data_gb is None else job.data_gb for job in trace.jobs]
    return zone_of, Places(choices, np.array(data, dtype=float), transfer)


def _zone_of(shape: ClusterShape, zones: Sequence[str]) -> list[int]:
    found = [0] * len(shape.pools)
    for name, zone in shape.zones.items():
        if zone not in zones:
            raise UsageError(
                f"--cluster: partition {name[:40]} stands in {zone[:40]}: give --carbon {zone[:40]}=FILE"
            )
        found[shape.partitions[name]] = zones.index(zone)
    return found


def read_transfer(text: str) -> Transfer:
    """Read what moving a GB costs: ``20g`` or ``0.06kWh``.

    Raises:
        UsageError: neither.
    """
    from carbonslurm.core.places import Transfer

    for unit, name in (("kWh", "kwh_per_gb"), ("g", "g_per_gb")):
        number = text.removesuffix(unit)
        if number != text and _is_number(number):
            return Transfer(**{name: float(number)})
    raise UsageError(f'--transfer: expected what a GB costs, 20g or 0.06kWh, got "{text[:40]}"')


def _is_number(text: str) -> bool:
    try:
        return 0 <= float(text) < float("inf")
    except ValueError:
        return False


def moves(setting: Setting, run: Run) -> str:
    """Return how many jobs ran elsewhere, with how much data, and what that emitted; empty where none did."""
    from carbonslurm.sim.figures import moved, moving_grams

    went = moved(setting, run.outcome)
    if setting.places is None or not bool(went.any()):
        return ""
    kilograms = float(moving_grams(setting, run.outcome).sum()) / 1000
    data = float(setting.places.data_gb[went].sum())
    name, count = run.row.policy, int(went.sum())
    return f"{name}: {count} jobs moved, with {data:.6g} GB, which emitted {kilograms:.2f} kg"
