"""The talk with systemd, over real sockets: sd_notify(3) in a few lines of our own."""

import logging
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from carbonslurm.daemon import notify


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.settimeout(10)
        yield ear


def test_a_socket_with_a_path(
    listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notify"
    listener.bind(str(path))
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    notify("READY=1")
    notify("WATCHDOG=1")
    assert [listener.recv(100), listener.recv(100)] == [b"READY=1", b"WATCHDOG=1"]


def test_an_abstract_socket(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd writes the leading zero byte of such a name as @."""
    name = f"carbonslurm-test-{secrets.token_hex(8)}"
    listener.bind(f"\0{name}")
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    notify("STOPPING=1")
    assert listener.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("address", [None, ""])
def test_nobody_listens(
    address: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Started by hand: there is no socket, and nothing to say about that."""
    if address is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")
    assert caplog.records == []


def test_a_socket_that_is_gone_does_not_end_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    with caplog.at_level(logging.WARNING):
        notify("WATCHDOG=1")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "systemd does not listen" in caplog.text
