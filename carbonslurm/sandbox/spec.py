"""What somebody asks for when they ask for a sandbox, checked where it is made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from carbonslurm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_COUNTS = {"nodes": (1, 64), "gpus_per_node": (0, 64), "cpus_per_node": (1, 1024)}


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """The size and the place of a private Slurm.

    Raises:
        UsageError: a count is out of range, the GPU type is not a plain word, or a setting is none.
    """

    directory: Path
    nodes: int = 4
    gpus_per_node: int = 4
    gpu_type: str = "a100"
    cpus_per_node: int = 16
    root: Path | None = None
    """A folder made by debootstrap, whose Slurm is used in place of this machine's."""
    hook: bool = True
    """Load our job_submit.lua."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of slurm.conf in place of a sandbox's own, or beside them."""

    def __post_init__(self) -> None:
        for name, (least, most) in _COUNTS.items():
            if not least <= getattr(self, name) <= most:
                raise UsageError(f"{name} must be {least} to {most}, not {getattr(self, name)}")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.gpu_type):
            raise UsageError(f"gpu_type must be a plain lower-case word, not {self.gpu_type!r}")
        for name, value in self.settings.items():
            if not (re.fullmatch(r"[A-Za-z]+", name) and re.fullmatch(r"[ -~]+", value)):
                raise UsageError(f"settings: {name}={value!r} is no setting of slurm.conf")
