"""The unit and the account, as systemd itself reads them."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "carbonslurmd.service"
SYSUSERS = ROOT / "systemd" / "carbonslurm.sysusers.conf"
TMPFILES = ROOT / "systemd" / "carbonslurm.tmpfiles.conf"


def tool(name: str) -> str:
    """A program of systemd; bin/test installs the package where it may."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here, and the package systemd could not be installed")
    return found


def settings(section: str) -> dict[str, str]:
    """The settings of a section; of those given several times, all values in one."""
    found: dict[str, str] = {}
    inside = False
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            inside = line == f"[{section}]"
        elif inside and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[name] = f"{found[name]} {value}" if name in found else value
    return found


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    start = [line for line in lines if line.startswith("ExecStart=")]
    copy.write_text("\n".join("ExecStart=/bin/true" if line in start else line for line in lines) + "\n")
    verify = [tool("systemd-analyze"), "verify", "--recursive-errors=no", str(copy)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    about_ours = [line for line in (done.stdout + done.stderr).splitlines() if "carbonslurm" in line]
    assert (done.returncode, about_ours) == (0, [])
    assert start == ["ExecStart=/usr/bin/carbonslurmd run"]


def test_the_account_can_be_made() -> None:
    done = subprocess.run(
        [tool("systemd-sysusers"), "--dry-run", str(SYSUSERS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    kind, name, uid, *_ = SYSUSERS.read_text(encoding="utf-8").splitlines()[-1].split()
    assert (kind, name, uid) == ("u", settings("Service")["User"], "-")


def test_no_root_anywhere() -> None:
    service = settings("Service")
    assert service["User"] == service["Group"] == "carbonslurm"
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == ""
    assert service["NoNewPrivileges"] == "yes"


def test_a_call_that_is_not_allowed_is_refused_and_kills_nothing() -> None:
    """numpy's OpenBLAS calls mbind, one of @resources, when it is imported."""
    service = settings("Service")
    assert "@resources" in service["SystemCallFilter"]
    assert service["SystemCallErrorNumber"] == "EPERM"


def test_it_says_when_it_is_ready_and_that_it_lives() -> None:
    """The daemon reports every 10 s (daemon.HEARTBEAT); systemd must wait for several of these."""
    service = settings("Service")
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert int(service["WatchdogSec"]) >= 60


def test_it_writes_one_folder_that_all_may_read() -> None:
    service = settings("Service")
    assert service["ProtectSystem"] == "strict"
    assert "ReadWritePaths" not in service
    assert (service["StateDirectory"], service["StateDirectoryMode"]) == ("carbonslurm", "0755")
    assert (
        f"d /var/lib/{service['StateDirectory']} 0755 {service['User']} {service['Group']} -"
        in TMPFILES.read_text(encoding="utf-8").splitlines()
    )


def test_it_starts_again_after_a_failure_but_not_with_a_wrong_configuration() -> None:
    service = settings("Service")
    assert service["Restart"] == "on-failure"
    assert "78" in service["RestartPreventExitStatus"].split()
    assert settings("Unit")["StartLimitIntervalSec"] == "0"


def test_slurmctld_is_wanted_by_nobody() -> None:
    """It may be on another host, and we outlive its restarts."""
    unit = settings("Unit")
    assert "slurmctld.service" in unit["After"]
    assert "Requires" not in unit
    assert "slurmctld" not in unit["Wants"]
