"""carbonslurm check: what it says of a right configuration whose secrets cannot be read here."""

import subprocess
import sys
from pathlib import Path

CONFIG = """\
cluster: toy
ledger: {folder}/ledger.db
zone: DE
sources:
  - {{provider: file, zone: DE, path: {folder}/day.yaml}}
  - {{provider: electricity-maps, zone: DE, token_file: {folder}/token}}
  - {{provider: watttime, zone: CAISO_NORTH, user: site, password_file: no-such-credential}}
  - {{provider: eia, zone: CISO, token_file: {folder}/key}}
"""
KEY = "key-that-is-there-77c2"


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "c.yaml").write_text(CONFIG.format(folder=folder))
    command = [str(Path(sys.executable).parent / "carbonslurm"), "check", "--config", str(folder / "c.yaml")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_secret_that_cannot_be_read_is_said_in_one_line_and_is_no_error(tmp_path: Path) -> None:
    """The account that calls it need not be the daemon's."""
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_text(KEY)
    done = check(tmp_path)
    assert done.returncode == 0
    assert "the configuration is right" in done.stdout
    token, password = done.stderr.splitlines()
    assert token.startswith(f"carbonslurm: sources[1].token_file: {tmp_path}/token: No such file")
    assert "sources[2].password_file: " in password
    assert "/no-such-credential: No such file" in password
    assert KEY not in done.stdout + done.stderr


def test_a_secret_that_everybody_may_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text(KEY)
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o644)
    done = check(tmp_path)
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if "everybody may read it: chmod o-r" in line]
    assert KEY not in done.stdout + done.stderr
