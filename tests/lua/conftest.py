"""A real Lua for the hook: every one that is installed, each test under each.

slurmctld links whichever Lua its build found: 5.1 on Debian 12, 5.4 elsewhere. A machine without any Lua
fails these tests, and does not skip them.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HARNESS = Path(__file__).with_name("harness.lua")
PLUGINS = Path(__file__).parents[2] / "slurm_plugins"
NAMES = ("lua5.1", "lua5.2", "lua5.3", "lua5.4", "luajit", "lua")
NOW = 1_795_334_400  # 2026-11-22T08:00:00Z
NO_VAL, NO_VAL16, INFINITE = 4_294_967_294, 65_534, 4_294_967_295
PARTITIONS = {
    "main": {"flag_default": 1, "default_time": 30, "max_time": 2_880},
    "long": {"flag_default": 0, "default_time": NO_VAL, "max_time": 60},
    "open": {"flag_default": 0, "default_time": NO_VAL, "max_time": INFINITE},
}
LUAS = {Path(found).resolve(): name for name in reversed(NAMES) if (found := shutil.which(name))}


def to_lua(value: object) -> str:
    """Write a value as a Lua expression; text becomes a string byte by byte."""
    if isinstance(value, dict):
        return "{" + ",".join(f"[{to_lua(key)}]={to_lua(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "{" + ",".join(to_lua(entry) for entry in value) + "}"
    if isinstance(value, str):
        value = value.encode(errors="surrogateescape")
    if isinstance(value, bytes):
        return '"' + "".join(f"\\{byte:03d}" for byte in value) + '"'
    return "nil" if value is None else str(value).lower()


@dataclass(frozen=True)
class Did:
    """What the hook did with one job."""

    assigned: dict[str, Any]
    said: list[str]
    logged: list[str]
    returned: int | None = None
    modified: int | None = None

    @property
    def tag(self) -> str | None:
        """What it wrote in AdminComment."""
        return self.assigned.get("admin_comment")


@dataclass(frozen=True)
class Answer:
    """What the hook said to the change of one record."""

    refused: bool
    assigned: dict[str, Any]
    said: list[str]


@dataclass(frozen=True)
class Lua:
    """One interpreter, and the folder in which its runs are kept."""

    command: str
    folder: Path

    def run(self, scenario: dict[str, object], hook: Path = PLUGINS) -> dict[str, Any]:
        """Run the harness and give back what it printed."""
        file = self.folder / "scenario.lua"
        file.write_text(f"return {to_lua(scenario)}\n", encoding="ascii")
        done = subprocess.run(
            [self.command, HARNESS, hook, file], check=False, capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def submit(self, hook: Path = PLUGINS, **scenario: object) -> Did:
        """Submit one job."""
        answer = self.run(scenario, hook)
        return Did(**{**answer, "assigned": dict(answer["assigned"])})

    def submit_all(self, jobs: list[dict[str, object]]) -> list[dict[str, Any]]:
        """Submit jobs one after another; what was assigned to each."""
        answers = self.run({"jobs": jobs, "now": NOW, "uid": 1_000})["answers"]
        return [dict(answer) for answer in answers]

    def update(self, **scenario: object) -> list[Answer]:
        """Change records, one after another; one answer for each."""
        answers = self.run(scenario)["answers"]
        return [Answer(**{**answer, "assigned": dict(answer["assigned"])}) for answer in answers]


@pytest.fixture(params=sorted(LUAS.values()) or ["lua5.1"])
def lua(request: pytest.FixtureRequest, tmp_path: Path) -> Lua:
    """A Lua interpreter."""
    return Lua(request.param, tmp_path)


@pytest.fixture
def hook_folder(tmp_path: Path) -> Callable[..., Path]:
    """Copies the hook into a folder of its own, with some files replaced or (None) missing."""

    def build(**texts: str | None) -> Path:
        folder = tmp_path / "etc"
        shutil.copytree(PLUGINS, folder)
        for name, text in texts.items():
            file = folder / f"{name}.lua"
            if text is None:
                file.unlink(missing_ok=True)
            else:
                file.write_text(text, encoding="utf-8")
        return folder

    return build


@pytest.fixture
def submit(lua: Lua) -> Callable[..., Did]:
    """Submits one GPU job, as Slurm 22.05 shows it, with some fields changed."""

    def submit(settings: object = None, **fields: object) -> Did:
        job = {
            "script": "#!/bin/sh\nsleep 1\n",
            "comment": "carbon:flex=12h",
            "gres": "gres:gpu:1",
            "tres_per_node": "gres:gpu:1",
            "user_name": "ada",
            "ntasks_per_gpu": NO_VAL16,
            "het_job_offset": NO_VAL,
            "time_limit": NO_VAL,
            "begin_time": 0,
            "cron_job": False,
        } | fields
        job = {name: value for name, value in job.items() if value is not None}
        return lua.submit(job=job, settings=settings, partitions=PARTITIONS, now=NOW, uid=1_000)

    return submit
