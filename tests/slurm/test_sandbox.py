"""What a sandbox promises, asked of the real thing."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import carbonslurm
from carbonslurm.cli.sandbox import sandbox as command
from carbonslurm.errors import RefusedError, UsageError
from carbonslurm.sandbox import (
    Sandbox,
    SandboxSpec,
    load,
    machine,
    packages,
    processes,
    texts,
    up,
    wait_until,
)
from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.layout import DIRECTORY_MAX, Layout, check_directory

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's sandbox has several users")


def sacct(sandbox: Sandbox, job: str, words: str) -> str:
    argv = ["sacct", "-a", "-X", "-n", "-P", "-D", "-j", job, "-o", words]
    return sandbox.run(argv).stdout.strip()


def mentions(directory: Path) -> list[str]:
    """The commands of all processes that name this folder, but for this test's own."""
    mark = os.fsencode(directory)
    found = [process for process in processes.everything() if process.pid != os.getpid()]
    return [str(process.command) for process in found if mark in process.command + process.environment]


def listening(pid: int) -> list[str]:
    """The IPv4 addresses on which a process listens, from /proc (ss is not everywhere)."""
    links = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    hosts = [row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in links]
    return [socket.inet_ntoa(int(host, 16).to_bytes(4, sys.byteorder)) for host in hosts]


PLAIN_USERS_STORY = """
import pathlib, sys
from carbonslurm.sandbox import SandboxSpec, load, up
from carbonslurm.sandbox.jobs import submit, wait_for_state
sandbox = up(SandboxSpec(pathlib.Path(sys.argv[1]), nodes=1, gpus_per_node=2))
try:
    job = submit(sandbox, "--gres=gpu:1", "--output=out", "--wrap=id -un", user=sandbox.operator)
    wait_for_state(sandbox, job, "COMPLETED")
    print((sandbox.work / "out").read_text().strip())
finally:
    load(sandbox.directory).down()
"""


def test_a_gpu_job_of_a_plain_user_is_accounted_for(sandbox: Sandbox) -> None:
    job = submit(sandbox, "--gres=gpu:2", "--output=/dev/null", "--wrap=true", user=sandbox.users[0])
    wait_for_state(sandbox, job, "COMPLETED")
    tres = wait_until(lambda: sacct(sandbox, job, "AllocTRES"), 80, "the job to reach sacct")
    assert "gres/gpu=2" in tres
    assert "gres/gpu:a100=2" in tres


def test_a_job_runs_in_the_open_folder_and_finds_this_slurm(sandbox: Sandbox) -> None:
    script = "pwd; scontrol update JobId=$SLURM_JOB_ID Comment=here"
    job = submit(sandbox, f"--wrap={script}", user=sandbox.users[0])
    wait_for_state(sandbox, job, "COMPLETED")
    assert (sandbox.work / f"slurm-{job}.out").read_text().strip() == str(sandbox.work)
    assert fields(sandbox, job)["Comment"] == "here"


@as_root
def test_a_user_without_an_association_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(RefusedError, match="Invalid account"):
        submit(sandbox, "--wrap=true", user="man")


@as_root
def test_the_operator_may_change_the_begin_time_of_others_but_is_no_administrator(sandbox: Sandbox) -> None:
    job = submit(sandbox, "--begin=now+1hour", "--wrap=true", user=sandbox.users[0])
    try:
        update = ["scontrol", "update", f"JobId={job}"]
        sandbox.run([*update, "StartTime=now+7200"], user=sandbox.operator)
        known = fields(sandbox, job)
        assert 7100 < int(known["EligibleTime"]) - int(known["SubmitTime"]) < 7300
        with pytest.raises(RefusedError, match="ermission denied"):
            sandbox.run([*update, "AdminComment=x"], user=sandbox.operator)
        with pytest.raises(RefusedError):
            sandbox.run([*update, "StartTime=now"], user=sandbox.users[1])
    finally:
        sandbox.run(["scancel", job])


def test_a_job_starts_soon_after_its_begin_time(sandbox: Sandbox) -> None:
    job = submit(sandbox, "--begin=now+2", "--output=/dev/null", "--wrap=true", user=sandbox.users[0])
    ended = wait_for_state(sandbox, job, "COMPLETED")
    assert int(ended["StartTime"]) - int(ended["EligibleTime"]) <= 5


def test_the_agreed_exit_code_requeues(sandbox: Sandbox) -> None:
    script = f"test $SLURM_RESTART_COUNT || exit {texts.REQUEUE_EXIT_CODE}"
    job = submit(sandbox, "--output=/dev/null", f"--wrap={script}", user=sandbox.users[0])
    known = wait_until(lambda: (now := fields(sandbox, job))["Restarts"] == "1" and now, 80, "the requeue")
    assert known
    wait_for_state(sandbox, job, "COMPLETED")


def test_a_killed_slurmctld_comes_back_with_its_nodes_and_jobs(sandbox: Sandbox) -> None:
    job = submit(sandbox, "--output=/dev/null", "--wrap=sleep 600", user=sandbox.users[0])
    try:
        wait_for_state(sandbox, job, "RUNNING")
        sandbox.restart_slurmctld()
        sandbox.kill_slurmctld()
        assert [status.daemon for status in sandbox.status() if not status.alive] == ["slurmctld"]
        sandbox.start_slurmctld()
        assert all(status.alive for status in sandbox.status())
        assert fields(sandbox, job)["JobState"] == "RUNNING"
    finally:
        sandbox.run(["scancel", job])


def test_the_daemons_listen_on_loopback_only_where_the_host_name_allows(sandbox: Sandbox) -> None:
    if not socket.gethostbyname(socket.gethostname()).startswith("127."):
        pytest.skip("this host's name is an address on the network, and Slurm binds to names")
    addresses = [listen for status in sandbox.status() for listen in listening(int(status.pid or 0))]
    assert len(addresses) == 2 + len(sandbox.nodes)
    assert all(address.startswith("127.") for address in addresses)


def test_status_names_each_daemon_and_down_leaves_nothing_behind(short_directory: Path) -> None:
    """The whole story by the commands: a job that hides from its environment is ended too."""
    runner = CliRunner()
    where = str(short_directory)
    brought = runner.invoke(command, ["up", where, "--nodes=1", "--gpus=1", "--json"], catch_exceptions=False)
    assert brought.exit_code == 0
    sandbox = load(short_directory)
    job = submit(sandbox, "--output=/dev/null", "--wrap=env -i sleep 600 & sleep 600", user=sandbox.users[0])
    wait_for_state(sandbox, job, "RUNNING")
    assert runner.invoke(command, ["status", where]).exit_code == 0
    sandbox.kill_slurmctld()
    status = runner.invoke(command, ["status", where])
    assert status.exit_code == 69
    assert "slurmctld" in status.output
    assert runner.invoke(command, ["down", where]).exit_code == 0
    assert not short_directory.exists()
    assert mentions(short_directory) == []
    sandbox.down()
    with pytest.raises(UsageError, match="no sandbox"):
        load(short_directory)


@as_root
def test_a_plain_user_has_a_sandbox_of_their_own(short_directory: Path) -> None:
    """No root, no other accounts; the package is copied to where that user can read it.

    It is not nobody, whom Slurm 26.05 takes for a user that it could not look up.
    """
    home = short_directory.parent
    package = Path(carbonslurm.__file__).parent
    shutil.copytree(package, home / "carbonslurm", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(package.parent / "slurm_plugins", home / "slurm_plugins")
    shutil.chown(home, "backup")
    done = subprocess.run(
        ["python3", "-c", PLAIN_USERS_STORY, str(short_directory)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        user="backup",
        group="backup",
        extra_groups=[],
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.strip() == "backup"
    assert mentions(short_directory) == []


def test_two_sandboxes_live_side_by_side_each_with_its_own_settings(
    sandbox: Sandbox, short_directory: Path
) -> None:
    spec = SandboxSpec(short_directory, 1, 0, hook=False, settings={"MaxJobCount": "20000", "KillWait": "6"})
    other = up(spec)
    try:
        assert other.cluster != sandbox.cluster
        with pytest.raises(UsageError, match="already"):
            up(SandboxSpec(short_directory))
        told = other.run(["scontrol", "show", "config"]).stdout
        assert re.search(r"^MaxJobCount\s*= 20000$", told, re.MULTILINE)
        assert re.search(r"^KillWait\s*= 6 sec$", told, re.MULTILINE)
    finally:
        other.down()
    assert all(status.alive for status in sandbox.status())


def test_missing_packages_are_named_in_one_sentence() -> None:
    assert packages.sentence(["munged", "slurmdbd"]) == (
        "Slurm is not complete here: munged and slurmdbd are missing. "
        "On Debian: apt-get install munge slurmdbd"
    )
    several = packages.sentence(["mariadbd", "mariadb-install-db", "job_submit_lua.so"], Path("/srv/t"))
    assert several == (
        "Slurm is not complete in /srv/t: mariadbd, mariadb-install-db and job_submit_lua.so are missing. "
        "On Debian: chroot /srv/t apt-get install mariadb-server slurm-wlm-basic-plugins"
    )


def test_an_empty_root_folder_misses_everything(tmp_path: Path) -> None:
    assert packages.missing(tmp_path) == [*packages.PROGRAMS, *packages.PLUGINS]


def test_folders_that_cannot_carry_a_sandbox_are_refused(short_directory: Path) -> None:
    short_directory.mkdir(mode=0o700)
    (short_directory / "file").touch()
    with pytest.raises(UsageError, match="too long"):
        check_directory(Path("/" + "a" * DIRECTORY_MAX), as_root=False)
    with pytest.raises(UsageError, match="not an empty folder"):
        check_directory(short_directory, as_root=False)
    with pytest.raises(UsageError, match=r"slurm\.conf cannot hold"):
        check_directory(short_directory / "a b", as_root=False)
    with pytest.raises(UsageError, match="closed to them"):
        check_directory(short_directory / "new", as_root=True)


@pytest.mark.parametrize(
    "wrong", [{"nodes": 0}, {"gpus_per_node": -1}, {"gpu_type": "A 100"}, {"settings": {"A": "1\nB=2"}}]
)
def test_impossible_wishes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        SandboxSpec(Path("x"), **wrong)


def test_a_recycled_pid_is_not_taken_for_a_daemon(tmp_path: Path) -> None:
    """The pid of some other process in a pid file harms nobody."""
    assert not processes.is_daemon(os.getpid(), Layout(tmp_path / "elsewhere").directory)


@as_root
def test_a_root_folder_that_users_cannot_enter_is_refused(tmp_path: Path) -> None:
    """They would run this machine's own sbatch against another version's slurmctld."""
    tmp_path.chmod(0o700)
    for name in ("bin/sh", "proc", "dev", "sys"):
        (tmp_path / "root" / name).mkdir(parents=True)
    with pytest.raises(UsageError, match="closed to them"):
        machine.check_root(tmp_path / "root")
