"""What is remembered of asking the providers, over restarts: one row a question, overwritten each time.

Losing it costs no more than a question too many, so nothing here is append-only.
"""

from collections.abc import Mapping

from sqlalchemy import and_, delete, insert, select

from carbonslurm.core.rest import Asked, QuestionKey
from carbonslurm.ledger.database import Room
from carbonslurm.ledger.encoding import asked_columns, read_asked
from carbonslurm.ledger.tables import ASKED

KEY = ("provider", "zone", "question")


class AskedReader(Room):
    """What anybody may know of it: AskedReader of ``ports``."""

    def asked(self) -> Mapping[QuestionKey, Asked]:
        """Return what is remembered of every question that was ever asked, in order of its key.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            rows = connection.execute(select(ASKED).order_by(*(ASKED.c[name] for name in KEY))).mappings()
            return dict(read_asked(row) for row in rows)


class AskedBook(AskedReader):
    """The daemon's side: AskedBook of ``ports``."""

    def keep_asked(self, news: Mapping[QuestionKey, Asked]) -> None:
        """Write what became of some questions, in place of what was.

        Raises:
            LedgerError: it could not be written.
        """
        if not news:
            return
        with self._database.writing() as connection:
            for key, asked in news.items():
                columns = asked_columns(key, asked)
                connection.execute(
                    delete(ASKED).where(and_(*(ASKED.c[name] == columns[name] for name in KEY)))
                )
                connection.execute(insert(ASKED).values(columns))
