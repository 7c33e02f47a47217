"""The test cluster's files fit together; that it runs is docker/smoke's to see (docs/cluster.md)."""

import ast
import fnmatch
import re
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from carbonslurm.config import load

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ROLES = re.search(r"^    (.+)\) \"\$1\" ;;$", (DOCKER / "entrypoint").read_text(), re.MULTILINE)


def _mounts(name: str) -> dict[str, str]:
    """Return volume -> where it is seen."""
    return dict(mount.split(":") for mount in SERVICES[name].get("volumes", []))


def _with(volume: str) -> set[str]:
    return {name for name in SERVICES if volume in _mounts(name)}


@pytest.mark.parametrize("name", SERVICES)
def test_each_host_has_a_role_that_the_entrypoint_knows(name: str) -> None:
    assert ROLES is not None
    (role,) = SERVICES[name]["command"]
    assert role in ROLES[1].split(" | ")
    assert SERVICES[name]["hostname"] == name
    assert set(SERVICES[name].get("depends_on", [])) <= set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_each_host_is_made_from_the_one_image(name: str) -> None:
    build = SERVICES[name]["build"]
    assert (DOCKER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    assert "ports" not in SERVICES[name]
    assert "environment" not in SERVICES[name]


def test_volumes_are_declared_and_used() -> None:
    assert {volume for name in SERVICES for volume in _mounts(name)} == set(COMPOSE["volumes"])


def test_a_secret_is_seen_only_by_those_who_need_it() -> None:
    assert _with("secret-ledger") == {"ledger", "daemon"}
    assert _with("secret-reader") == {"ledger", "daemon", "login"}
    assert _with("secret-slurmdbd") == {"database", "slurmdbd"}
    assert _with("munge") == set(SERVICES) - {"database", "ledger"}


def test_the_configuration_is_right_and_names_what_is_there() -> None:
    site = load(DOCKER / "etc" / "carbonslurm.yaml")
    assert urlsplit(site.ledger).hostname in SERVICES
    assert site.ledger_reader is not None
    assert urlsplit(site.ledger_reader).hostname in SERVICES
    for name, file in (("daemon", site.ledger_password_file), ("login", site.ledger_reader_password_file)):
        assert file is not None
        assert str(PurePosixPath(file).parent) in _mounts(name).values()


def test_slurms_configuration_names_hosts_that_are_there() -> None:
    text = (DOCKER / "etc" / "slurm.conf").read_text()
    site = load(DOCKER / "etc" / "carbonslurm.yaml")
    assert f"ClusterName={site.cluster}\n" in text
    for key in ("SlurmctldHost", "AccountingStorageHost"):
        found = re.search(rf"^{key}=(.+)$", text, re.MULTILINE)
        assert found is not None
        assert found[1] in SERVICES
    assert "NodeName=c[1-2] " in text
    assert {"c1", "c2"} <= set(SERVICES)


def _copied() -> list[str]:
    """Every file and folder that the Dockerfile copies, continued lines joined."""
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
    return [word for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE) for word in line.split()[:-1]]


@pytest.mark.parametrize("source", _copied())
def test_what_the_image_copies_is_there_and_not_ignored(source: str) -> None:
    assert (ROOT / source).exists()
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert any(fnmatch.fnmatch(source, pattern) or source.startswith(f"{pattern}/") for pattern in kept)


@pytest.mark.parametrize("name", ["entrypoint", "smoke"])
def test_scripts_can_be_read_and_run(name: str) -> None:
    done = subprocess.run(["bash", "-n", DOCKER / name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (DOCKER / name).stat().st_mode & 0o111 == 0o111


def test_the_grid_can_be_read() -> None:
    ast.parse((DOCKER / "grid").read_text())
    assert (DOCKER / "grid").stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize("path", sorted(DOCKER.rglob("*")), ids=str)
def test_no_secret_is_written_down(path: Path) -> None:
    if path.is_file():
        passwords = re.findall(r"(?i)pass(?:word)?\s*[=:]\s*(?![$'{]|\s|/)\S+", path.read_text())
        assert passwords == []
