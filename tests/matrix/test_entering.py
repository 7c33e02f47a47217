"""How a command gets into a root, and pip from there to its index."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from matrix.entering import Place, paths_in, pip_environment


def _may_unshare() -> bool:
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run(Place(None).argv(["true"]), capture_output=True, check=False).returncode == 0


namespaces = pytest.mark.skipif(not _may_unshare(), reason="namespaces are root's to make, with ip")


@namespaces
def test_here_a_command_has_processes_and_a_network_of_its_own() -> None:
    told = subprocess.run(
        Place(None).argv(["sh", "-c", "echo $$; ip -brief link"]), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert told[0] == "1"
    assert [line.split()[:2] for line in told[1:]] == [["lo", "UNKNOWN"]]


@namespaces
def test_what_a_command_leaves_running_ends_with_it() -> None:
    started = subprocess.run(
        Place(None).argv(["sh", "-c", "sleep 600 & echo started"]),
        capture_output=True,
        check=True,
        timeout=20,
    )
    assert started.stdout == b"started\n"  # run() returns only once nobody holds its output any more


def test_in_a_root_files_are_shown_before_the_command_is_entered() -> None:
    place = Place(Path("/srv/root"), {"/etc/hosts": Path("/etc/hosts")}, {"PIP_CERT": "/c"})
    argv = place.argv(["true"])
    assert "--net" in argv
    cut = argv.index("/srv/root")
    assert argv[cut + 1 : cut + 5] == ["/etc/hosts", "/etc/hosts", "--", "env"]
    assert argv[-1] == "true"
    assert "PIP_CERT=/c" in argv
    assert "--net" not in place.argv(["true"], network=True)


def test_of_pips_settings_those_go_along_that_lead_to_the_index() -> None:
    listed = (
        "global.constraint='/etc/constraints.txt'\n"
        "global.extra-index-url='file:///opt/index/simple https://index.invalid/simple'\n"
        "global.timeout='15'\n"
        ":env:.timeout='180'\n"
        "freeze.timeout='10'\n"
    )
    environment = {
        "https_proxy": "http://proxy.invalid:3128",
        "HOME": "/root",
        "SSL_CERT_FILE": "/etc/ca.crt",
    }
    assert pip_environment(listed, environment) == {
        "https_proxy": "http://proxy.invalid:3128",
        "SSL_CERT_FILE": "/etc/ca.crt",
        "PIP_EXTRA_INDEX_URL": "file:///opt/index/simple https://index.invalid/simple",
        "PIP_TIMEOUT": "180",
    }


def test_the_files_and_folders_that_settings_name_are_found() -> None:
    settings = {
        "PIP_EXTRA_INDEX_URL": "file:///opt/index/simple https://index.invalid/simple",
        "PIP_FIND_LINKS": "/opt/wheels /opt/more",
        "SSL_CERT_FILE": "/etc/ca.crt",
        "PIP_CERT": "/etc/ca.crt",
        "https_proxy": "http://proxy.invalid:3128",
    }
    assert paths_in(settings) == ["/opt/index", "/opt/wheels", "/opt/more", "/etc/ca.crt"]
