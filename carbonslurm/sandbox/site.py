"""A site for a sandbox: configuration, carbon data, hook settings and a place for the ledger.

With it the sandbox is a whole cluster to try carbonslurm on: DIR/carbonslurm.yaml is what carbonslurmd and
the commands read, DIR/carbon.yaml the intensity that they plan by (a day's profile of a grid with a clean
noon, to be edited at will), DIR/ledger belongs to the Operator, as on a real site.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING, Any

import yaml

from carbonslurm import config, wiring
from carbonslurm.formats.hook import render_hook_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from carbonslurm.sandbox.cluster import Sandbox

ZONE = "sandbox"
# g/kWh by UTC hour: a made-up grid, dirty in the evening and clean at noon.
PROFILE = [320, 310, 300, 300, 310, 330, 360, 350, 290, 220, 160, 120]
PROFILE += [100, 110, 140, 190, 260, 350, 430, 460, 450, 420, 380, 340]


def config_path(sandbox: Sandbox) -> Path:
    """Return where a sandbox's configuration is."""
    return sandbox.directory / "carbonslurm.yaml"


def settings(sandbox: Sandbox) -> dict[str, Any]:
    """Return a configuration for a sandbox, as the YAML has it."""
    return {
        "cluster": sandbox.cluster,
        "ledger": str(sandbox.directory / "ledger" / "ledger.sqlite"),
        "zone": ZONE,
        "sources": [{"provider": "file", "zone": ZONE, "path": str(sandbox.directory / "carbon.yaml")}],
        "cycle": {"interval": "10s", "fetch": "10m", "reconcile": "1m", "stop_step": "2s"},
        "power": {"gpu_watts": {"a100": 400}, "other_gpu_watts": 400, "node_cpus": 16, "node_gpus": 4},
        "slurm": {
            "conf": str(sandbox.slurm_conf),
            "path": str(sandbox.bin),
            "account": sandbox.operator,
        },
    }


def write_site(sandbox: Sandbox, changes: Mapping[str, Any] | None = None) -> Path:
    """Write everything that carbonslurm needs beside a sandbox; return the configuration's path.

    Args:
        sandbox: one that is up.
        changes: sections to put in place of those of ``settings``.

    Raises:
        ConfigError: the changes are not a configuration.
    """
    path = config_path(sandbox)
    path.write_text(yaml.safe_dump(settings(sandbox) | dict(changes or {}), sort_keys=False))
    path.chmod(0o644)
    _write_profile(sandbox.directory / "carbon.yaml")
    ledger = sandbox.directory / "ledger"
    ledger.mkdir(exist_ok=True)
    ledger.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(ledger, sandbox.operator)
    write_hook_settings(sandbox, config.load(path))
    return path


def write_hook_settings(sandbox: Sandbox, site: config.Config) -> None:
    """Give the hook the site's settings, and have slurmctld load them with the next job."""
    target = sandbox.hook_directory / "carbonslurm_site.lua"
    target.write_text(render_hook_settings(wiring.hook_settings(site)))
    target.chmod(0o644)
    reload_hook(sandbox)


def forget_hook_settings(sandbox: Sandbox) -> None:
    """Leave the hook with the defaults that it has built in."""
    (sandbox.hook_directory / "carbonslurm_site.lua").unlink(missing_ok=True)
    reload_hook(sandbox)


def reload_hook(sandbox: Sandbox) -> None:
    """Have slurmctld load the hook anew with the next job."""
    script = sandbox.hook_directory / "job_submit.lua"
    if script.exists():
        # slurmctld compares whole seconds, so a touch within the second of its last reading would be missed.
        later = max(time.time(), script.stat().st_mtime) + 1
        os.utime(script, (later, later))


def _write_profile(path: Path) -> None:
    if not path.exists():
        path.write_text(yaml.safe_dump({"hours": PROFILE, "kind": "average", "scope": "lifecycle"}))
        path.chmod(0o644)
