"""Updates: what the daemon may change, and how the marks follow what everybody else changes.

Under real Lua interpreters; tests/slurm/test_hook_modify.py does it through the real slurmctld.
"""

from collections.abc import Callable
from typing import Any

import pytest

NOW = 1_795_334_400
NO_VAL, NO_VAL16, NO_VAL64, INFINITE = 4_294_967_294, 65_534, 18_446_744_073_709_551_615, 4_294_967_295
OWNER, DAEMON, ROOT, STRANGER = 1_000, 990, 0, 1_001
LATEST = NOW + 3_600
TAG = f"carbon:v=1,flex=7200,latest={LATEST},by=owner"
HELD = f"carbon:held={LATEST}"
SETTINGS = {"daemon_uid": DAEMON, "hold_partitions": ["*"], "gate_partitions": ["main"]}
HOLD, RELEASE, BEGIN = {"priority": 0}, {"priority": INFINITE}, {"begin_time": NOW + 600}
THEIRS = "it was changed by its owner or an admin"
OURS_HELD = {"priority": 0, "comment": f"run {HELD}"}

Update = Callable[..., Any]


def desc(**fields: object) -> dict[str, object]:
    """What scontrol sends: everything unset but what is given, as every version shows it."""
    unset = {
        "begin_time": 0,
        "bitflags": 503_316_480,
        "boards_per_node": 0,
        "end_time": 0,
        "priority": NO_VAL,
        "site_factor": NO_VAL,
        "nice": NO_VAL,
        "time_limit": NO_VAL,
        "requeue": NO_VAL16,
        "mail_type": NO_VAL16,
        "pn_min_memory": NO_VAL64,
        "user_id": OWNER,
        "alloc_node": "here",
    }
    return unset | fields


def job(**fields: object) -> dict[str, object]:
    """A pending job of the owner's."""
    found = {
        "job_id": 7,
        "user_id": OWNER,
        "admin_comment": TAG,
        "comment": "run",
        "partition": "main",
        "priority": 100,
        "direct_set_prio": 0,
        "job_state": 0,
        "restart_cnt": 0,
        "site_factor": 0,
        "array_job_id": 0,
        "het_job_id": 0,
        "het_job_offset": 0,
    } | fields
    return {name: value for name, value in found.items() if value is not None}


def step(
    by: int, change: dict[str, object], *records: dict[str, object], now: int = NOW
) -> dict[str, object]:
    """One RPC."""
    return {"desc": desc(**change), "records": records or (job(),), "uid": by, "now": now}


@pytest.fixture
def update(lua: Any) -> Update:
    """Sends RPCs and gives back the answers, one for each record."""

    def update(*steps: dict[str, object], settings: dict[str, object] | None = None, **more: object) -> Any:
        return lua.update(updates=steps, settings=SETTINGS | (settings or {}), **more)

    return update


@pytest.mark.parametrize("change", [BEGIN, {"site_factor": 9, "begin_time": NOW + 9}, HOLD], ids=str)
def test_the_daemon_may_do_its_work(update: Update, change: dict[str, object]) -> None:
    assert not update(step(DAEMON, change))[0].refused


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"time_limit": 5}, "time_limit"),
        ({"nice": 2_147_483_653}, "nice"),
        ({"requeue": 0}, "requeue"),
        ({"partition": "debug"}, "partition"),
        ({"comment": "x"}, "comment"),
        ({"admin_comment": "x"}, "admin_comment"),
        ({"end_time": NOW}, "end_time"),
        ({"pn_min_memory": 100}, "pn_min_memory"),
        ({"bitflags": 503_316_480 + 2**21}, "bitflags"),
        ({"user_id": 5}, "user_id"),
        (BEGIN | {"qos": "high"}, "qos"),
    ],
    ids=str,
)
def test_the_daemon_may_do_nothing_else(update: Update, change: dict[str, object], field: str) -> None:
    answer, other, own = update(
        step(DAEMON, change), step(OWNER, change), step(DAEMON, change, job(user_id=DAEMON))
    )
    assert (answer.refused, answer.assigned) == (True, {})
    assert answer.said == [f"carbonslurm: job 7: {field} is not for the daemon to change"]
    assert not other.refused
    assert not own.refused


def test_a_priority_is_not_for_the_daemon_to_give(update: Update) -> None:
    assert update(step(DAEMON, {"priority": 5}))[0].refused


def test_the_daemon_may_not_touch_a_job_without_a_tag(update: Update) -> None:
    answer = update(step(DAEMON, BEGIN, job(admin_comment="moved by ops")))[0]
    assert answer.said == ["carbonslurm: job 7: it carries no tag"]


@pytest.mark.parametrize("change", [{"time_limit": 5}, HOLD, RELEASE, BEGIN], ids=str)
@pytest.mark.parametrize("uid", [None, 0, "990"])
def test_without_an_account_nobody_is_confined(
    update: Update, uid: object, change: dict[str, object]
) -> None:
    for who in (OWNER, DAEMON, ROOT, STRANGER):
        assert not update(step(who, change, job(admin_comment="")), settings={"daemon_uid": uid})[0].refused


def test_a_hold_leaves_a_mark_with_the_latest_start(update: Update) -> None:
    assert update(step(DAEMON, HOLD))[0].assigned == {"comment": f"run {HELD}"}
    without_latest = job(admin_comment="x carbon:v=1,flex=50,by=site", comment=None)
    assert update(step(DAEMON, HOLD, without_latest))[0].assigned == {"comment": f"carbon:held={NOW + 50}"}


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"priority": 0}, "it is held already"),
        ({"priority": 0, "comment": HELD}, "it is held already"),
        ({"direct_set_prio": 1}, "its priority was fixed, and would be lost"),
        ({"job_state": 1}, "it is not pending"),
        ({"comment": "x" * 1_010}, "its comment leaves no room for a mark"),
    ],
    ids=str,
)
def test_a_hold_that_would_harm_is_refused(update: Update, record: dict[str, object], why: str) -> None:
    answer = update(step(DAEMON, HOLD, job(**record)))[0]
    assert (answer.refused, answer.assigned, answer.said) == (True, {}, [f"carbonslurm: job 7: {why}"])


def test_a_requeued_job_that_is_still_completing_may_be_held(update: Update) -> None:
    assert not update(step(DAEMON, HOLD, job(job_state=0x8000)))[0].refused


@pytest.mark.parametrize("where", [[], ["long"], ["long", "debug"]], ids=str)
def test_a_job_is_held_only_in_partitions_for_it(update: Update, where: list[str]) -> None:
    assert update(step(DAEMON, HOLD), settings={"hold_partitions": where})[0].refused
    both = job(partition="main,long")
    assert update(step(DAEMON, HOLD, both), settings={"hold_partitions": ["main"]})[0].refused
    assert not update(step(DAEMON, HOLD, both), settings={"hold_partitions": ["main", "long"]})[0].refused


def test_the_daemon_releases_what_it_held_and_takes_its_mark_along(update: Update) -> None:
    answer = update(step(DAEMON, RELEASE, job(**OURS_HELD)), settings={"hold_partitions": []})[0]
    assert (answer.refused, answer.assigned) == (False, {"comment": "run"})
    bare = update(step(DAEMON, RELEASE, job(priority=0, comment=HELD)))[0]
    assert bare.assigned == {"comment": " "}


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"comment": HELD}, "it is not held, and a release would reset its nice value"),
        ({"priority": 0}, "its hold is not carbonslurm's"),
    ],
    ids=str,
)
def test_the_daemon_releases_nothing_else(update: Update, record: dict[str, object], why: str) -> None:
    assert update(step(DAEMON, RELEASE, job(**record)))[0].said == [f"carbonslurm: job 7: {why}"]


@pytest.mark.parametrize("who", [OWNER, ROOT, STRANGER])
@pytest.mark.parametrize("change", [HOLD, RELEASE], ids=str)
def test_a_hold_or_release_by_anybody_else_takes_the_mark_away(
    update: Update, who: int, change: dict[str, object]
) -> None:
    answer = update(step(who, change, job(**OURS_HELD)))[0]
    assert (answer.refused, answer.assigned) == (False, {"comment": "run"})


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ("carbon:saved", f"carbon:saved {HELD}"),
        ("", HELD),
        ("carbon:held=1", HELD),
        ("a carbon:held=1 b", f"a b {HELD}"),
        ("y" * 1_024, "y" * (1_024 - len(HELD) - 1) + f" {HELD}"),
    ],
)
def test_a_mark_outlives_a_new_comment_and_cannot_be_forged(update: Update, given: str, becomes: str) -> None:
    assert update(step(OWNER, {"comment": given}, job(**OURS_HELD)))[0].assigned == {"comment": becomes}


@pytest.mark.parametrize("tag", [TAG, None])
@pytest.mark.parametrize(
    ("given", "assigned"),
    [("x carbon:held=9", {"comment": "x"}), ("carbon:held=9", {"comment": " "}), ("x", {}), ("", {})],
    ids=str,
)
def test_nobody_forges_a_mark_in_an_update(
    update: Update, tag: str | None, given: str, assigned: dict[str, object]
) -> None:
    for who in (OWNER, ROOT, STRANGER):
        answer = update(step(who, {"comment": given}, job(admin_comment=tag)))[0]
        assert (answer.refused, answer.assigned) == (False, assigned)


def test_each_task_of_an_array_keeps_its_own_comment(update: Update) -> None:
    """Slurm hands the same job_desc in for each record, with what the hook assigned for the one before."""
    tasks = [job(job_id=7 + n, array_job_id=7, comment=text) for n, text in enumerate(["a", "b", "", "a"])]
    held = update(step(DAEMON, HOLD, *tasks))
    assert [answer.refused for answer in held] == [False] * 4
    marked = [f"a {HELD}", f"b {HELD}", HELD, f"a {HELD}"]
    assert [answer.assigned["comment"] for answer in held] == marked
    tasks = [task | {"priority": 0, "comment": text} for task, text in zip(tasks, marked, strict=True)]
    released = update(step(OWNER, RELEASE, *tasks))
    assert [answer.assigned["comment"] for answer in released] == ["a", "b", " ", "a"]


@pytest.mark.parametrize("change", [BEGIN, HOLD], ids=str)
@pytest.mark.parametrize("theirs", [BEGIN, HOLD, RELEASE, {"licenses": ""}], ids=str)
@pytest.mark.parametrize("who", [OWNER, ROOT, STRANGER])
def test_an_update_that_comes_too_late_is_refused(
    update: Update, who: int, theirs: dict[str, object], change: dict[str, object]
) -> None:
    gated = job(licenses="carbon:1")
    changed, late, other, later_run = update(
        step(who, theirs, gated),
        step(DAEMON, change),
        step(DAEMON, change, job(job_id=8)),
        step(DAEMON, change, job(restart_cnt=1)),
    )
    assert not changed.refused
    assert late.said == [f"carbonslurm: job 7: {THEIRS}"]
    assert not other.refused
    assert not later_run.refused


def test_what_was_ours_can_be_released_whoever_touched_the_job(update: Update) -> None:
    held = job(**OURS_HELD, licenses="carbon:1")
    touched, released, opened = update(
        step(OWNER, BEGIN, held), step(DAEMON, RELEASE, held), step(DAEMON, {"licenses": ""}, held)
    )
    assert [answer.refused for answer in (touched, released, opened)] == [False] * 3


@pytest.mark.parametrize(
    "change", [{"time_limit": 5}, {"comment": "x"}, {"licenses": "x:1"}, {"priority": 77}], ids=str
)
def test_other_changes_leave_the_job_ours(update: Update, change: dict[str, object]) -> None:
    """A priority that an admin gives is neither a hold nor a release: Slurm refuses it on a held job."""
    assert "comment" not in update(step(ROOT, {"priority": 77}, job(**OURS_HELD)))[0].assigned
    assert not update(step(OWNER, change), step(DAEMON, BEGIN))[1].refused


def test_a_task_is_known_by_its_array_too(update: Update) -> None:
    """Slurm gives a task a record and a job_id of its own when it starts, or is changed alone."""
    array = job(job_id=7, array_job_id=7, array_task_id=NO_VAL)
    task = job(job_id=9, array_job_id=7, array_task_id=3)
    last = job(job_id=7, array_job_id=7, array_task_id=5)
    other = job(job_id=10, array_job_id=10, array_task_id=NO_VAL)
    answers = update(step(OWNER, BEGIN, array), step(DAEMON, BEGIN, task), step(DAEMON, BEGIN, other))
    assert [answer.refused for answer in answers] == [False, True, False]
    for changed in (task, last):
        answers = update(step(OWNER, BEGIN, changed), step(DAEMON, BEGIN, task), step(DAEMON, BEGIN, last))
        assert [answer.refused for answer in answers[1:]] == [changed is task, changed is last]


def test_a_passer_by_is_soon_forgotten_and_an_owner_is_not(update: Update) -> None:
    """Slurm asks the hook before it looks whether the caller may change the job at all."""
    for who, refused in ((STRANGER, False), (OWNER, True), (ROOT, True)):
        late = update(step(who, BEGIN), step(DAEMON, BEGIN, now=NOW + 3_601))[1]
        assert late.refused is refused


def test_memory_is_bounded_and_passers_by_push_no_owner_out(update: Update) -> None:
    def crowd(who: int, first: int, count: int) -> dict[str, object]:
        return step(who, BEGIN, *(job(job_id=number) for number in range(first, first + count)))

    answers = update(
        crowd(OWNER, 1, 1),
        crowd(STRANGER, 2, 1),
        crowd(STRANGER, 100, 1_000),
        crowd(DAEMON, 1, 2),
        crowd(OWNER, 2_000, 10_000),
        crowd(DAEMON, 1, 1),
        crowd(DAEMON, 11_999, 1),
    )
    first, second = answers[1_002:1_004]
    assert (first.refused, second.refused) == (True, False)
    assert [answer.refused for answer in answers[-2:]] == [False, True]


@pytest.mark.parametrize("asked", [HOLD, RELEASE], ids=["hold", "release"])
def test_compensation_ends_when_anybody_else_holds_or_releases(update: Update, asked: dict[str, Any]) -> None:
    held, settings = job(site_factor=500) | OURS_HELD, {"compensates": True}
    for who in (OWNER, ROOT):
        assert update(step(who, asked, held), settings=settings)[0].assigned["site_factor"] == 0
        assert "site_factor" not in update(step(who, asked, held))[0].assigned
    of_many = held | {"array_job_id": 7}
    assert "site_factor" not in update(step(OWNER, asked, of_many), settings=settings)[0].assigned
    assert "site_factor" not in update(step(DAEMON, asked, held), settings=settings)[0].assigned


def test_compensation_ends_when_anybody_else_gives_a_begin_time(update: Update) -> None:
    compensated, settings = job(site_factor=500), {"compensates": True}
    for who in (OWNER, ROOT):
        assert update(step(who, BEGIN, compensated), settings=settings)[0].assigned == {"site_factor": 0}
        assert update(step(who, BEGIN, job()), settings=settings)[0].assigned == {}
        assert update(step(who, {"time_limit": 5}, compensated), settings=settings)[0].assigned == {}
        assert update(step(who, BEGIN, compensated))[0].assigned == {}
        untagged = job(site_factor=500, admin_comment=None)
        assert update(step(who, BEGIN, untagged), settings=settings)[0].assigned == {}
    assert update(step(DAEMON, BEGIN, compensated), settings=settings)[0].assigned == {}


@pytest.mark.parametrize("group", [{"array_job_id": 7}, {"het_job_id": 7}], ids=str)
def test_of_several_records_the_daemon_must_take_the_compensation_back(
    update: Update, group: dict[str, object]
) -> None:
    """Slurm would deny the owner the second record: what was assigned for the first looks like his own."""
    record = job(site_factor=500, **group)
    assert update(step(OWNER, BEGIN, record), settings={"compensates": True})[0].assigned == {}


@pytest.mark.parametrize(
    ("asked", "becomes"),
    [
        ("carbon:100", "carbon:1"),
        ("x:1;carbon=5", "x:1,carbon:1"),
        ("carbon:1", None),
        ("", None),
        ("x:1", None),
        ("x|carbon:3", "x"),
    ],
)
def test_an_owner_gets_the_licence_once_and_may_drop_it(
    update: Update, asked: str, becomes: str | None
) -> None:
    expected = {} if becomes is None else {"licenses": becomes}
    assert update(step(OWNER, {"licenses": asked}, job(licenses="carbon:1")))[0].assigned == expected
    for who in (ROOT, STRANGER):
        assert update(step(who, {"licenses": asked}))[0].assigned == {}


@pytest.mark.parametrize("record", [{"admin_comment": None}, {"partition": "long"}], ids=str)
def test_no_owner_gets_the_licence_elsewhere(update: Update, record: dict[str, object]) -> None:
    answer = update(step(OWNER, {"licenses": "carbon:100,x:1"}, job(**record)))[0]
    assert answer.assigned == {"licenses": "x:1"}
    by_task = update(step(OWNER, {"tres_per_task": "license/carbon:2,cpu=1"}, job(**record)))[0]
    assert by_task.assigned == {"tres_per_task": "cpu=1"}


@pytest.mark.parametrize(
    ("had", "asked", "refused"),
    [
        ("carbon:1", "", False),
        ("x:2,carbon:1", "x:2", False),
        ("x;carbon:1;y=2", "y:2,x:1", False),
        ("x|y", "x,y", True),
        ("x:2", "x:2,carbon:1", False),
        (None, "carbon:1", False),
        (None, "carbon:2", True),
        ("x:2,carbon:1", "", True),
        ("x:2,carbon:1", "x:1", True),
        (None, "x:1", True),
    ],
)
def test_the_daemon_changes_no_licence_but_ours(
    update: Update, had: str | None, asked: str, refused: bool
) -> None:
    assert update(step(DAEMON, {"licenses": asked}, job(licenses=had)))[0].refused is refused


def test_the_daemon_can_take_the_licence_off_where_there_is_no_gate_any_more(update: Update) -> None:
    none = {"gate_partitions": []}
    gated = job(licenses="carbon:1")
    assert not update(step(DAEMON, {"licenses": ""}, gated), settings=none)[0].refused
    assert update(step(DAEMON, {"licenses": "carbon:1"}), settings=none)[0].refused


def test_components_of_a_heterogeneous_job_are_changed_by_the_tag_of_their_leader(update: Update) -> None:
    leader = job(job_id=7, het_job_id=7)
    component = job(job_id=8, het_job_id=7, het_job_offset=1, admin_comment=None, comment=None)
    answers = update(step(DAEMON, HOLD, leader, component), jobs={"7": leader, "8": component})
    assert [answer.refused for answer in answers] == [False, False]
    assert [answer.assigned["comment"] for answer in answers] == [f"run {HELD}", HELD]
    for jobs in ({}, {"7": leader | {"admin_comment": ""}}):
        assert update(step(DAEMON, BEGIN, component), jobs=jobs)[0].refused


def test_components_follow_what_was_said_of_their_leader(update: Update) -> None:
    """slurm.jobs may be a second old, and the leader's owner may have been faster."""
    leader = job(job_id=7, het_job_id=7)
    component = job(job_id=8, het_job_id=7, het_job_offset=1, admin_comment=None, comment=None)
    together = update(step(DAEMON, BEGIN, leader, component))
    assert [answer.refused for answer in together] == [False, False]
    late = update(step(OWNER, BEGIN, leader), step(DAEMON, BEGIN, leader, component), jobs={"7": leader})
    assert [answer.refused for answer in late] == [False, True, True]


def test_a_release_takes_the_mark_off_a_component_too(update: Update) -> None:
    component = job(job_id=8, het_job_id=7, het_job_offset=1, admin_comment=None) | OURS_HELD
    assert update(step(OWNER, RELEASE, component))[0].assigned == {"comment": "run"}


def test_a_bug_of_ours_refuses_nothing(lua: Any) -> None:
    for raises in ("admin_comment", "comment", "bitflags"):
        answer = lua.submit(
            entry=True, job=desc(admin_comment=TAG), record=job(), uid=0, modifier=DAEMON, raises=raises
        )
        assert answer.modified == 0
