"""Files with secrets in them, for the providers that want one: made once, gone with the tests."""

import atexit
import tempfile
from functools import cache
from pathlib import Path


@cache
def _folder() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="carbonslurm-keys-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


@cache
def key_file(secret: str) -> str:
    """Return the path of a file that says this, and that others may not read."""
    path = _folder() / f"key-{len(list(_folder().iterdir()))}"
    path.touch(mode=0o600)
    path.write_text(f"{secret}\n", encoding="ascii")
    return str(path)
