"""The site's own CSV file as the conformance suite plays it; what only it can do has tests of its own."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from carbonslurm.carbon.file import FileOptions, answer, offer
from carbonslurm.carbon.written import read_csv
from carbonslurm.core.forecast import Series
from carbonslurm.ports import CarbonSource
from played.shape import BAD_TIMES, FULL_HOUR, NOW, Played, Point, Role


def cell(content: object) -> str:
    if isinstance(content, datetime):
        return content.isoformat()
    return "" if content is None else str(content)


def csv(points: Sequence[Point]) -> bytes:
    rows = [",".join(cell(each) for each in (point.start, point.end, point.value)) for point in points]
    return "\n".join(["start,end,g_per_kwh", *rows, ""]).encode()


def make(path: str, _read_timeout: timedelta) -> CarbonSource:
    (source,) = offer(FileOptions("site", path)).sources
    return source


def read(body: bytes) -> Series | None:
    written = read_csv(body.decode(errors="replace"), "zone.csv", None)
    issue = answer(written, FileOptions("site", "zone.csv"), FULL_HOUR, NOW).forecast
    return None if issue is None else issue.series


PLAYED = (
    Played(
        name="file",
        role=Role.FORECAST,
        make=make,
        body=csv,
        read=read,
        step=timedelta(minutes=30),
        bad_values={
            "null": (None, "no value"),
            "negative": (-1, "outside"),
            "absurd": (5001, "outside"),
            "text": ("much", "not a number"),
        },
        bad_times=BAD_TIMES[:6],
        place=lambda number: f"zone.csv:{number + 2}:",
        suffix=".csv",
        words={
            "conflict": "covered already",
            "nothing": "no rows",
            "many missing": "a gap",
            "ended": "ended at",
            "ahead": "after now",
            "empty": "zone.csv:1:",
            "html": "zone.csv:1:",
            "malformed": "not UTF-8",
            "scalar": "zone.csv:1:",
        },
        exempt={
            "true": "all cells are text",
            "list": "all cells are text",
            "order": "rows are in the order of time, or refused",
            "few": "a file may have one step alone",
            "moment": "a series of the site's own is fresh while it covers now",
            "zeros": "a site may have a power plant of its own",
            "ends": "a file's steps may be of any length, and may have no ends",
            "lies": "what the site writes is all that is known",
        },
    ),
)
