"""The latest start and the planning window, as the hook works them out under real Lua interpreters."""

from collections.abc import Callable
from typing import Any

import pytest

from carbonslurm.core.tag import parse_tag

NOW = 1_795_334_400  # the submit fixture's: 2026-11-22T08:00:00Z
HOUR = 3_600
FINISH = f"carbon:finish={NOW + 6 * HOUR}"
INFINITE = 4_294_967_295

Submit = Callable[..., Any]


@pytest.mark.parametrize(
    ("fields", "latest"),
    [
        ({"comment": "carbon:flex=30d"}, NOW + 24 * HOUR),
        ({"comment": "carbon:flex=1h", "begin_time": NOW + HOUR}, NOW + 2 * HOUR),
        ({"comment": "carbon:flex=1h", "begin_time": NOW - HOUR}, NOW + HOUR),
        ({"comment": "carbon:flex=30d", "begin_time": NOW + HOUR}, NOW + 25 * HOUR),
        ({"comment": FINISH, "time_limit": 60}, NOW + 5 * HOUR - 300),
        ({"comment": FINISH, "partition": "main"}, NOW + 5 * HOUR + 1_500),
        ({"comment": FINISH, "partition": "long"}, NOW + 5 * HOUR - 300),
        ({"comment": f"carbon:finish={NOW + 6 * HOUR},length=2h", "partition": "open"}, NOW + 4 * HOUR - 300),
        ({"comment": f"carbon:finish={NOW + 90 * HOUR}", "time_limit": 60}, NOW + 24 * HOUR),
        ({"dependency": "afterok:5"}, None),
        ({"dependency": "afterok:5", "comment": f"carbon:flex=1h,finish={NOW + 6 * HOUR}", "time_limit": 60},
         NOW + 5 * HOUR - 300),
    ],
    ids=str,
)  # fmt: skip
def test_the_latest_start(submit: Submit, fields: dict[str, object], latest: int | None) -> None:
    tag = parse_tag(submit(**fields).tag)
    assert tag is not None
    assert (tag.latest and tag.latest.timestamp()) == latest


def test_a_dependent_job_hears_how_long_it_may_wait(submit: Submit) -> None:
    said = submit(dependency="singleton").said
    assert said == [
        "carbon: flexible, may wait 12h once its dependencies are met (carbon-squeue shows the plan)"
    ]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"comment": FINISH, "time_limit": INFINITE}, "needs a time limit (sbatch -t) or length"),
        ({"comment": FINISH, "partition": "open"}, "needs a time limit (sbatch -t) or length"),
        ({"comment": f"carbon:finish={NOW + HOUR}", "time_limit": 60}, "leaves no room to wait before it"),
        ({"comment": f"carbon:finish={NOW - HOUR}", "time_limit": 60}, "leaves no room to wait before it"),
        ({"comment": f"carbon:finish={NOW + 4 * HOUR}", "time_limit": 60, "begin_time": NOW + 3 * HOUR},
         "leaves no room to wait before it"),
    ],
)  # fmt: skip
def test_a_finish_that_cannot_bound_the_start(submit: Submit, fields: dict[str, object], why: str) -> None:
    did = submit(**fields)
    assert did.assigned == {}
    assert did.said == [f"carbon: not flexible: finish: {why}"]


@pytest.mark.parametrize(
    ("fields", "begin_time"),
    [
        ({}, NOW + 120),
        ({"begin_time": NOW + 60}, NOW + 120),
        ({"begin_time": NOW + 120}, None),
        ({"begin_time": NOW + HOUR}, None),
        ({"comment": "carbon:flex=2m"}, None),
        ({"comment": "carbon:flex=121s"}, NOW + 120),
        ({"dependency": "afterok:5"}, NOW + 120),
        ({"script": "#!/bin/sh\n#SBATCH --deadline=now+1hour\n"}, None),
        ({"script": "#!/bin/sh\n#SBATCH -N1 --deadl now+1hour\n"}, None),
        ({"script": "#!/bin/sh\n# about --deadline\n"}, NOW + 120),
        ({"settings": {"window_s": 0}}, None),
        ({"settings": {"window_s": 600}}, NOW + 600),
        ({"settings": {"window_s": 86_400}}, NOW + HOUR),
    ],
    ids=str,
)
def test_the_planning_window(submit: Submit, fields: dict[str, object], begin_time: int | None) -> None:
    did = submit(**fields)
    assert did.assigned.get("begin_time") == begin_time
    assert f"window={begin_time}" in did.tag if begin_time else "window" not in did.tag
