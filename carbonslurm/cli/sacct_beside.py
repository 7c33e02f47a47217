"""What carbon-sacct says beside its sums: grams by another kind of intensity, and runs that still run."""

from collections.abc import Mapping, Sequence
from typing import Any

from carbonslurm.core.going import SoFar, running_sums
from carbonslurm.core.interval import iso
from carbonslurm.core.job import RunKey
from carbonslurm.formats.terminal import energy_text, grams_text
from carbonslurm.formats.times import local_text
from carbonslurm.ports import BesideSum


def running_lines(so_far: Mapping[RunKey, SoFar]) -> list[str]:
    """Say what runs that still run have done so far, a line for each kind of intensity."""
    until = max((item.until for item in so_far.values()), default=None)
    return [
        f"{item.runs} of these still run: {energy_text(item.energy_kwh)} and "
        + (f"{grams_text(item.emitted_g)} of {item.nature} CO2e" if item.nature else "unknown grams")
        + f" so far (until {local_text(until)}), in no sum"
        for item in running_sums(so_far)
    ]


def running_objects(so_far: Mapping[RunKey, SoFar]) -> list[dict[str, Any]]:
    """Return what runs that still run have done so far, an object for each kind of intensity."""
    return [
        {
            "nature": item.nature or None,
            "runs": item.runs,
            "energy_kwh": item.energy_kwh,
            "emitted_g": item.emitted_g,
        }
        for item in running_sums(so_far)
    ]


def so_far_object(item: SoFar | None) -> dict[str, Any] | None:
    """Return what a run has done so far as an object."""
    if item is None:
        return None
    figure = item.figure
    return {
        "until": iso(item.until),
        "energy_kwh": figure.energy_kwh,
        "energy_method": figure.energy_method,
        "emitted_g": figure.emitted_g,
        "baseline_g": figure.baseline_g,
        "saved_g": figure.saved_g,
        "kind": figure.nature.kind if figure.nature else None,
        "scope": figure.nature.scope if figure.nature else None,
        "source": figure.source,
        "estimated": figure.estimated,
    }


def beside_lines(sums: Sequence[BesideSum]) -> list[str]:
    """Say what the same runs emitted by intensities of another kind."""
    return [
        f"Beside their {it.own} grams, {it.runs} of these runs have {grams_text(it.emitted_g)} of {it.nature}"
        " CO2e: the same runs by another kind of intensity, never to be added"
        for it in sums
    ]


def beside_objects(sums: Sequence[BesideSum]) -> list[dict[str, Any]]:
    """Return the same as objects."""
    return [
        {
            "own": str(it.own),
            "nature": str(it.nature),
            "runs": it.runs,
            "emitted_g": it.emitted_g,
            "saved_g": it.saved_g,
        }
        for it in sums
    ]
