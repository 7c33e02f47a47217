"""Policies that choose a place, and what the engine lets them see of the other zones.

They live apart from ``registry``, since they are nothing where there is one zone.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from carbonslurm.core.places import Transfer, anywhere
from carbonslurm.core.scene import Placement, Planner, Scene, WaitingJobs
from carbonslurm.sim.policy import Strategy
from carbonslurm.sim.registry import World
from carbonslurm.sim.scenes import Sights
from carbonslurm.sim.work import Setting


def sights_of(setting: Setting) -> Sights:
    """Return what is to be seen of the places of a setting."""
    zones, places = setting.zones, setting.places
    return Sights(
        foresights=[zones[index].foresight for index in setting.zone_of_pool.tolist()],
        choices=None if places is None else places.choices,
        watts=setting.watts_of,
        data_gb=None if places is None else places.data_gb,
    )


class Remembering:
    """A planner that is asked about each job once, and again when another forecast has become visible.

    For a policy that looks at each job for itself the answer is the same until then.
    """

    def __init__(self, planner: Planner) -> None:
        self._planner = planner
        self._seen: tuple[object, ...] = ()
        self._answers: dict[int, tuple[float, int]] = {}

    def __call__(self, scene: Scene) -> Placement:
        """Answer for all jobs that wait, most of them from memory."""
        if any(one is not other for one, other in zip_longest(scene.forecasts, self._seen)):
            self._seen = scene.forecasts
            self._answers.clear()
        ids = scene.waiting.ids.tolist()
        new = [place for place, job in enumerate(ids) if job not in self._answers]
        if new:
            found = self._planner(replace(scene, waiting=_some(scene.waiting, new)))
            pools = scene.waiting.pool[new] if found.pools is None else found.pools
            answers = zip(found.starts.tolist(), pools.tolist(), strict=True)
            self._answers.update(zip([ids[place] for place in new], answers, strict=True))
        told = [self._answers[job] for job in ids]
        starts, where = np.array([start for start, _ in told]), np.array([pool for _, pool in told])
        return Placement(starts.astype(float), pools=where.astype(np.int64))


def _some(waiting: WaitingJobs, places: list[int]) -> WaitingJobs:
    columns: dict[str, Any] = {}
    for each in fields(waiting):
        column = getattr(waiting, each.name)
        columns[each.name] = None if column is None else column[places]
    return WaitingJobs(**columns)


def _anywhere(world: World, transfer: Transfer) -> Strategy:
    given = world.parameters
    return Strategy(
        name="anywhere",
        foresight=world.foresight,
        discipline=given.word("queue", "first-fit"),
        planner=Remembering(anywhere(transfer)),
        cycle=given.seconds("cycle", 600.0) or 600.0,
    )


PLACING: Mapping[str, Callable[[World, Transfer], Strategy]] = {"anywhere": _anywhere}
