"""Secrets: read from a file at each use, and told to nobody."""

import os
from datetime import datetime
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from carbonslurm import carbon
from carbonslurm.app.doctor import look_at_source
from carbonslurm.app.fetch import fetch_all
from carbonslurm.carbon.http import server
from carbonslurm.carbon.secret import DAEMONS_DIRECTORY, Secret
from carbonslurm.errors import CarbonslurmError, ConfigError, RefusedError, UnavailableError
from carbonslurm.ledger.writing import Ledger

WORDS = "s3cr3t-value-2b7c"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(f"  {WORDS}\n")
    return path


def refusal(secret: Secret, kind: type[CarbonslurmError]) -> str:
    with pytest.raises(kind) as caught:
        secret.read()
    assert type(caught.value) is kind
    message = str(caught.value)
    assert message.startswith("token_file: ")
    assert message.isprintable()
    assert WORDS not in message
    return message


def test_what_is_around_it_does_not_count(key: Path) -> None:
    assert Secret("token_file", str(key)).read() == WORDS


def test_it_is_read_anew_at_each_use(key: Path) -> None:
    secret = Secret("token_file", str(key))
    secret.read()
    key.write_text("rotated")
    assert secret.read() == "rotated"


def test_only_the_name_of_its_file_is_kept(key: Path) -> None:
    secret = Secret("token_file", str(key))
    secret.read()
    assert repr(secret) == f"Secret(option='token_file', file='{key}')"


def test_a_bare_name_is_a_credential_of_the_service(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(key.parent))
    assert Secret("token_file", "key").read() == WORDS


def test_outside_of_the_service_its_folder_is_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    message = refusal(Secret("token_file", "no-such-key-anywhere"), UnavailableError)
    assert f"{DAEMONS_DIRECTORY}/no-such-key-anywhere: No such file" in message


@pytest.mark.parametrize("file", ["", ".", "..", "a/b", "../key", "./key"])
def test_a_relative_path_is_neither(file: str) -> None:
    with pytest.raises(ConfigError, match="token_file: expected an absolute path or the name"):
        Secret("token_file", file)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b" \n\t\n", "empty"),
        (f"{WORDS}\nsecond\n".encode(), "more than one line"),
        (f"{WORDS}\x1b[31m".encode(), "not printable ASCII"),
        (f"{WORDS}\u00e4".encode(), "not printable ASCII"),
        (WORDS.encode() * 1000, "not a key"),
    ],
)
def test_a_file_without_one_secret_is_refused_and_not_quoted(key: Path, content: bytes, why: str) -> None:
    key.write_bytes(content)
    assert why in refusal(Secret("token_file", str(key)), UnavailableError)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "No such file" in refusal(Secret("token_file", str(tmp_path / "none")), UnavailableError)


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "directory" in refusal(Secret("token_file", str(tmp_path)), UnavailableError)
    assert "not a file" in refusal(Secret("token_file", "/dev/null"), UnavailableError)
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in refusal(Secret("token_file", str(tmp_path / "pipe")), UnavailableError)
    assert "not a file's name" in refusal(Secret("token_file", "/a\0b"), UnavailableError)


def test_a_file_that_everybody_may_read_is_refused(key: Path) -> None:
    key.chmod(0o644)
    assert "everybody may read it: chmod o-r" in refusal(Secret("token_file", str(key)), RefusedError)
    key.chmod(0o640)
    assert Secret("token_file", str(key)).read() == WORDS


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_we_may_not_read(key: Path) -> None:
    key.chmod(0o000)
    assert "may not read it" in refusal(Secret("token_file", str(key)), RefusedError)


def test_a_missing_secret_costs_its_own_source_only(tmp_path: Path, now: datetime) -> None:
    """The next source gives the zone its forecast, so that no job waits for a key."""
    (tmp_path / "a.yaml").write_text("constant: 350\n")
    sources = [
        source
        for provider, options in (
            ("electricity-maps", {"token_file": str(tmp_path / "none")}),
            ("watttime", {"user": "site", "password_file": str(tmp_path / "none")}),
            ("eia", {"area": "CISO", "token_file": str(tmp_path / "none")}),
            ("file", {"path": str(tmp_path / "a.yaml")}),
        )
        for source in carbon.offer(provider, {"zone": "north", **options}).sources
    ]
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        results = fetch_all(sources, ledger, now)
        issue = ledger.newest_issue("north")
    assert issue is not None
    assert issue.series.source == "file"
    *keyed, file = results
    assert file.failure is None
    assert {result.source for result in keyed} == {"electricity-maps", "watttime", "eia"}
    assert all("_file: " in str(result.failure) for result in keyed)
    assert all("No such file" in str(result.failure) for result in keyed)


def test_doctor_says_which_secret_is_missing(tmp_path: Path, now: datetime) -> None:
    options = {"zone": "DE", "token_file": str(tmp_path / "none")}
    for source in carbon.offer("electricity-maps", options).sources:
        with pytest.raises(UnavailableError, match=r"electricity-maps: token_file: .*No such file"):
            look_at_source(source, lambda: now)


def test_an_echo_is_struck_out_however_it_is_written(httpserver: HTTPServer) -> None:
    """Base64 has slashes, which JSON may escape; an address writes them in its own way."""
    key = "ab/cd+ef=="
    echoes = (key, "ab\\/cd+ef==", "ab%2Fcd%2Bef%3D%3D")
    httpserver.expect_request("/").respond_with_data(" ".join(echoes))
    said = server(httpserver.url_for("/")).ask("/", secrets=(key,))
    assert said.body == b"*** *** ***"
