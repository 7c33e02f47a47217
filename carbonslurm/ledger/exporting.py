"""The ledger as files: one for each table, and a list of what was written; and back into an empty ledger.

``runs`` is no table but what people want for a spreadsheet: each run with the figure that counts. It is
written, and not read back.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carbonslurm.errors import DataError, LedgerError
from carbonslurm.ledger.cells import FORMS, Form, Rows, form
from carbonslurm.ledger.plain import RUNS, RUNS_COLUMNS, TABLES, TableWriter, View
from carbonslurm.ledger.tables import REVISIONS

LIST = "ledger.json"  # written last: a folder without it is no whole export


@dataclass(frozen=True, slots=True)
class Exported:
    """What a folder holds.

    Attributes:
        form: of the files.
        revision: of the tables.
        rows: by table.
    """

    form: str
    revision: str
    rows: Mapping[str, int]


def export(view: View, folder: Path, kind: str, names: Sequence[str]) -> Exported:
    """Write tables, or ``runs``, into a folder, which is made.

    Args:
        view: of the ledger.
        folder: empty, or not there yet.
        kind: one of FORMS.
        names: of tables.

    Raises:
        LedgerError: it could not be read, or the files not written; or the folder is not empty.
        UnavailableError: the form needs a package that is not installed.
    """
    shape = form(kind)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise LedgerError(f"{folder}: is not empty")
        rows = {name: _write(view, folder, shape, name) for name in names}
        told = Exported(kind, REVISIONS[-1], rows)
        words = {"form": told.form, "revision": told.revision, "rows": told.rows}
        (folder / LIST).write_text(json.dumps(words, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise LedgerError(f"{folder}: {error.strerror or error}") from error
    return told


def _write(view: View, folder: Path, shape: Form, name: str) -> int:
    columns = RUNS_COLUMNS if name == RUNS else tuple(TABLES[name].c)
    batches = view.runs() if name == RUNS else view.batches(name)
    return shape.write(folder / f"{name}.{shape.ending}", columns, batches)


def fill_from(folder: Path, book: TableWriter) -> Mapping[str, int]:
    """Write what ``export`` wrote of a whole ledger into an empty one, all of it or nothing.

    Raises:
        DataError: it is no whole export, or of other tables than this version's.
        LedgerError: the ledger is not empty, or could not be written; or a file cannot be read.
    """
    found = read_list(folder)
    if found.revision != REVISIONS[-1]:
        raise DataError(
            f"{folder}: its tables are of revision {found.revision}, not {REVISIONS[-1]}: import it with the "
            "carbonslurm that wrote it, and migrate"
        )
    if set(found.rows) != set(TABLES):
        raise DataError(f"{folder}: not all tables are there: export without --table")
    shape = form(found.form)
    book.fill({name: _read(folder, shape, name) for name in TABLES}, found.rows)
    return found.rows


def _read(folder: Path, shape: Form, name: str) -> Iterator[Rows]:
    yield from shape.read(folder / f"{name}.{shape.ending}", tuple(TABLES[name].c))


def read_list(folder: Path) -> Exported:
    """Return what an export says of itself.

    Raises:
        DataError: it is none.
    """
    path = folder / LIST
    try:
        words: Any = json.loads(path.read_text(encoding="utf-8"))
        rows = {str(name): int(count) for name, count in words["rows"].items()}
        found = Exported(str(words["form"]), str(words["revision"]), rows)
    except FileNotFoundError as error:
        raise DataError(f"{folder}: no whole export: there is no {LIST}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: does not say what was exported: {error}") from error
    if found.form not in FORMS:
        raise DataError(f"{path}: unknown form {found.form[:40]}")
    return found
