"""Forecasts as they were published."""

import pytest

from carbonslurm.errors import DataError
from carbonslurm.formats.issues import read_issues

TEXT = """\
issue_time,target_time,lead_h,forecast,actual
2021-07-02T00:00Z,2021-07-02T01:00Z,1,300,1
2021-07-02T00:00Z,2021-07-02T00:00Z,0,310,1
2021-07-01T00:00Z,2021-07-01T00:00Z,0,597.8,574.4
2021-07-01T00:00Z,2021-07-01T00:30Z,0,582.0,561.4
"""
MIDNIGHT = 1_625_097_600.0  # 2021-07-01T00:00Z


def test_issues_by_hand() -> None:
    first, second = read_issues(TEXT, "f.csv")
    assert (first.published, first.starts, first.end) == (
        MIDNIGHT,
        (MIDNIGHT, MIDNIGHT + 1800),
        MIDNIGHT + 3600,
    )
    assert first.values == (597.8, 582.0)
    assert (second.values, second.end - second.published) == ((310, 300), 7200)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "f:1: no column issue_time"),
        ("issue_time,target_time,forecast\n", "f:1: no forecasts"),
        ("issue_time,target_time,forecast\n2021-07-01T00:00Z,soon,3\n", "f:2: expected a time"),
        (
            "issue_time,target_time,forecast\n2021-07-01T00:00Z,2021-07-01T00:00Z,\n",
            "f:2: forecast: not a number",
        ),
        (
            "issue_time,target_time,forecast\n2021-07-01T00:00Z,2021-07-01T00:00Z,-1\n",
            "f:2: forecast: out of range",
        ),
        (
            "issue_time,target_time,forecast\n2021-07-01T00:00Z,2021-07-01T00:00Z,1\n",
            "f:2: a forecast of a single step",
        ),
        (TEXT + "2021-07-01T00:00Z,2021-07-01T00:00Z,0,5,5\n", "f:6: a second value"),
        (TEXT + "2021-07-01T00:00Z\n", "f:6: 1 cells, expected 5"),
    ],
)
def test_wrong_issues_are_refused_with_their_line(text: str, words: str) -> None:
    with pytest.raises(DataError, match="^" + words):
        read_issues(text, "f")
