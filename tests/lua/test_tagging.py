"""Which jobs the hook makes flexible, and what it writes and says, under real Lua interpreters."""

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from carbonslurm.core.tag import parse_tag

CASES = json.loads((Path(__file__).parents[1] / "tag_cases.json").read_text(encoding="utf-8"))
NOW = 1_795_334_400  # the submit fixture's: 2026-11-22T08:00:00Z
HOUR = 3_600

Submit = Callable[..., Any]


def test_lua_accepts_refuses_and_finds_what_python_does(lua: Any) -> None:
    words = [case["tag"] for case in CASES["accepted"] + CASES["refused"]]
    comments = [case["comment"] for case in CASES["found"]]
    answer = lua.run({"words": words, "comments": comments})
    parsed = [meaning(entry) if isinstance(entry, dict) else entry for entry in answer["parsed"]]
    assert parsed == [case["means"] for case in CASES["accepted"]] + [
        case["says"] for case in CASES["refused"]
    ]
    assert answer["found"] == [case["tag"] or False for case in CASES["found"]]


def meaning(declared: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in declared.items() if value}


def test_a_flexible_job_gets_its_tag_its_window_and_one_line(submit: Submit) -> None:
    did = submit()
    assert did.assigned == {
        "admin_comment": f"carbon:v=1,flex=43200,latest={NOW + 12 * HOUR},window={NOW + 120},by=owner",
        "begin_time": NOW + 120,
    }
    assert did.said == [
        "carbon: flexible, starts by 2026-11-22T20:00:00Z at the latest (carbon-squeue shows the plan)"
    ]
    assert did.logged[-1].startswith("carbonslurm: uid 1000: carbon:v=1,")


@pytest.mark.parametrize(
    ("mail_type", "mails"), [(None, False), (7, False), (8, True), (15, True), (65534, False)]
)
def test_who_gets_mails_of_requeues_hears_that_stops_will_be_among_them(
    submit: Submit, mail_type: int | None, mails: bool
) -> None:
    given = {} if mail_type is None else {"mail_type": mail_type}
    (said,) = submit(comment="carbon:flex=2h,checkpoint=USR1@60", **given).said
    assert said.endswith("; Slurm will mail you each stop (--mail-type)") is mails
    (unstopped,) = submit(comment="carbon:flex=2h", **given).said
    assert "mail" not in unstopped


def test_everything_declared_reaches_the_tag_and_python_reads_it(submit: Submit) -> None:
    finish = NOW + 8 * HOUR
    comment = f"night carbon:flex=6h,finish={finish},checkpoint=SIGUSR1@2m,full,restart=5m,length=1h run"
    tag = submit(comment=comment, time_limit=120, begin_time=NOW + HOUR).tag
    assert tag == (
        f"carbon:v=1,flex=21600,latest={finish - 2 * HOUR - 300},begin={NOW + HOUR},finish={finish},"
        "checkpoint=USR1@120,full,restart=300,length=3600,by=owner"
    )
    read = parse_tag(tag)
    assert read is not None
    assert read.checkpoint is not None
    assert read.checkpoint.restart == timedelta(minutes=5)


@pytest.mark.parametrize(
    "fields",
    [
        {"gres": "gpu"},
        {"gres": "gpu:2"},
        {"gres": "gres:gpu"},
        {"gres": "gres:gpu:a100:2"},
        {"gres": "gres/gpu:a100=2"},
        {"gres": "gres/gpu=1"},
        {"gres": "gres:nic:1,gres:gpu:1"},
        {"gres": "gres:gpu:0,gres:gpu:a100:1"},
        {"gres": "gres:gpu:2(S:0-1)"},
        {"gres": "gres:gpu:10"},
        {"tres_per_node": "gres:gpu:1"},
        {"tres_per_job": "gres:gpu:a100"},
        {"tres_per_socket": "gres:gpu:1"},
        {"tres_per_task": "cpu=4,gres/gpu=1"},
        {"ntasks_per_gpu": 2},
    ],
    ids=str,
)
def test_a_gpu_is_found_in_every_form(submit: Submit, fields: dict[str, object]) -> None:
    did = submit(**({"gres": None, "tres_per_node": None} | fields))
    assert did.tag.startswith("carbon:v=1,")


@pytest.mark.parametrize(
    "gres",
    [
        None,
        "",
        "none",
        "gres:gpu:0",
        "gres:gpu:a100:0",
        "gres/gpu=0",
        "gres:gpu_mem:8",
        "gres:nic:1",
        "gres:mygpu:1",
        7,
    ],
)
def test_without_a_gpu_a_job_is_inflexible_and_its_owner_hears_why(submit: Submit, gres: object) -> None:
    did = submit(gres=gres, tres_per_node=None)
    assert did.assigned == {}
    assert did.said == ["carbon: not flexible: it asks for no GPU, and only GPU jobs can wait here"]


def test_a_site_may_let_other_jobs_wait(submit: Submit) -> None:
    assert submit(settings={"gpu_only": False}, gres=None, tres_per_node=None).tag is not None


def test_a_job_without_tag_and_default_is_left_alone(submit: Submit) -> None:
    did = submit(comment="just a run")
    assert (did.assigned, did.said) == ({}, [])


def test_now_is_not_flexible_whatever_the_site_says(submit: Submit) -> None:
    did = submit(settings={"defaults": [{"tag": "carbon:flex=2h"}]}, comment="carbon:now")
    assert (did.assigned, did.said) == ({}, [])


def test_a_tag_that_cannot_be_read_is_told_and_does_not_count(submit: Submit) -> None:
    did = submit(comment="carbon:flex=1h,flex=2h", admin_comment="carbon:v=1,flex=1,by=owner")
    assert did.assigned == {"admin_comment": ""}
    assert did.said == ["carbon: not flexible: flex: given twice"]


def test_interactive_jobs_are_never_touched(submit: Submit) -> None:
    did = submit(script=None)
    assert (did.assigned, did.said) == ({}, [])


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"reservation": "tea"}, "it runs in a reservation"),
        ({"cron_job": True}, "scrontab starts it at its own times"),
        ({"het_job_offset": 1}, "the first component of a heterogeneous job speaks for all"),
    ],
)
def test_jobs_that_cannot_wait(submit: Submit, fields: dict[str, object], why: str) -> None:
    did = submit(**fields)
    assert did.assigned == {}
    assert did.said == [f"carbon: not flexible: {why}"]


@pytest.mark.parametrize(
    ("excluded", "fields"),
    [
        ({"exclude_users": ["ada"]}, {}),
        ({"exclude_accounts": ["physics"]}, {"account": "physics"}),
        ({"exclude_accounts": ["physics"]}, {"default_account": "physics"}),
        ({"exclude_qos": ["urgent"]}, {"qos": "urgent"}),
        ({"exclude_qos": ["urgent"]}, {"default_qos": "urgent"}),
        ({"exclude_partitions": ["main"]}, {}),
        ({"exclude_partitions": ["long"]}, {"partition": "open,long"}),
    ],
    ids=str,
)
def test_what_the_site_excludes_is_inflexible(
    submit: Submit, excluded: dict[str, object], fields: dict[str, object]
) -> None:
    did = submit(settings=excluded, **fields)
    assert did.assigned == {}
    assert did.said == ["carbon: not flexible: the site excludes this user, account, partition or QOS"]


@pytest.mark.parametrize(
    ("fields", "flex"),
    [
        ({"partition": "long"}, 2 * HOUR),
        ({"partition": "long,main"}, 2 * HOUR),
        ({"partition": "main,long"}, None),
        ({}, None),
        ({"account": "physics"}, 3 * HOUR),
        ({"account": "physics", "partition": "long"}, 2 * HOUR),
        ({"qos": "slow"}, 4 * HOUR),
        ({"default_qos": "slow"}, 4 * HOUR),
        ({"qos": "slow", "account": "physics"}, 3 * HOUR),
        ({"account": "strict"}, None),
    ],
    ids=str,
)
def test_the_first_default_that_fits_counts(
    submit: Submit, fields: dict[str, object], flex: int | None
) -> None:
    rules = [
        {"partition": "long", "tag": "carbon:flex=2h"},
        {"account": "physics", "tag": "carbon:flex=3h"},
        {"qos": "slow", "tag": "carbon:flex=4h"},
        {"account": "strict", "qos": "other", "tag": "carbon:flex=5h"},
    ]
    tag = parse_tag(submit(settings={"defaults": rules}, comment=None, **fields).tag or "")
    assert (tag and tag.flex.total_seconds()) == flex
    assert tag is None or tag.by == "site"


def test_the_default_partition_counts_where_none_was_named(submit: Submit) -> None:
    rules = [{"partition": "main", "tag": "carbon:flex=2h"}]
    assert "flex=7200" in submit(settings={"defaults": rules}, comment=None).tag


def test_how_long_comes_from_the_site_where_the_owner_does_not_say(submit: Submit) -> None:
    rules = [{"tag": "carbon:flex=2h,checkpoint=TERM"}]
    tag = submit(settings={"defaults": rules}, comment="carbon:checkpoint=USR1").tag
    assert "flex=7200" in tag
    assert tag.endswith("checkpoint=USR1@60,by=site")
    alone = submit(comment="carbon:checkpoint=USR1")
    assert alone.said == [
        "carbon: not flexible: nothing says how long it may wait: add flex=12h or finish=EPOCH"
    ]


def test_a_broken_default_is_logged_and_nobody_is_bothered(submit: Submit) -> None:
    did = submit(settings={"defaults": [{"tag": "carbon:flex=2"}]}, comment=None)
    assert (did.assigned, did.said) == ({}, [])
    assert "site default: carbon: flex: expected a duration" in did.logged[-1]


def test_the_leader_of_a_heterogeneous_job_is_tagged_but_never_to_be_stopped(submit: Submit) -> None:
    tag = submit(het_job_offset=0, comment="carbon:flex=1h,checkpoint=USR1@60,full").tag
    assert tag == f"carbon:v=1,flex=3600,latest={NOW + 3600},window={NOW + 120},by=owner"


def test_a_heterogeneous_job_does_not_wait_behind_the_gate(submit: Submit) -> None:
    did = submit(settings={"gate_partitions": ["*"]}, het_job_offset=0, licenses="carbon:3,x:1")
    assert did.assigned == {"licenses": "x:1"}
    assert did.said == ["carbon: not flexible: heterogeneous jobs cannot wait behind the gate"]


def test_components_wait_as_long_as_their_leader(lua: Any) -> None:
    """Else an eligible one would keep its nodes idle. Only the leader has a script."""
    leader = {"script": "x", "comment": "carbon:flex=1h", "gres": "gres:gpu:1", "het_job_offset": 0}
    plain = leader | {"comment": "x"}
    component, later = {"het_job_offset": 1}, {"het_job_offset": 2, "begin_time": NOW + 9 * HOUR}
    for crowd, begins in (
        ([leader, component, later], [NOW + 120, NOW + 120, None]),
        ([leader, component, plain, component], [NOW + 120, NOW + 120, None, None]),
        ([component], [None]),
    ):
        assert [did.get("begin_time") for did in lua.submit_all(crowd)] == begins


def test_a_growing_share_only_adds_users(submit: Submit) -> None:
    users = [f"user{number:02}" for number in range(12)]
    shares = (0, 0.25, 0.5, 0.75, 1)
    flexible = [
        {user for user in users if submit(settings={"share": share}, user_name=user).tag} for share in shares
    ]
    assert flexible[0] == set()
    assert flexible[-1] == set(users)
    assert all(fewer <= more for fewer, more in pairwise(flexible))
    assert len({len(found) for found in flexible}) >= 4


def test_users_outside_the_share_hear_why_their_tag_does_not_count(submit: Submit) -> None:
    did = submit(settings={"share": 0})
    assert did.said == ["carbon: not flexible: so far the site lets the jobs of only some users wait"]
    by_site = submit(settings={"share": 0, "defaults": [{"tag": "carbon:flex=2h"}]}, comment=None)
    assert (by_site.assigned, by_site.said) == ({}, [])


@pytest.mark.parametrize(("observed", "partition"), [("main", None), ("*", None), ("long", "open,long")])
def test_where_the_daemon_only_watches_a_job_is_tagged_and_never_delayed(
    submit: Submit, observed: str, partition: str | None
) -> None:
    did = submit(settings={"observe_partitions": [observed], "gate_partitions": ["*"]}, partition=partition)
    assert did.assigned == {"admin_comment": f"carbon:v=1,flex=43200,latest={NOW + 43200},by=owner"}
    assert did.said == []


@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("carbon:held=5", ""),
        ("a carbon:held=5 carbon:held=x\tb", "a\tb"),
        ("a carbon:held=", "a"),
        ("carbon:held=1 carbon:flex=1h carbon:held=2", "carbon:flex=1h"),
    ],
)
def test_nobody_forges_a_mark_at_submit(submit: Submit, comment: str, left: str) -> None:
    for script in ("#!/bin/sh\n", None):
        assert submit(comment=comment, script=script).assigned["comment"] == left


GATE = {"gate_partitions": ["main"]}


@pytest.mark.parametrize(
    ("asked", "merged"),
    [
        (None, "carbon:1"),
        ("", "carbon:1"),
        ("matlab:2", "matlab:2,carbon:1"),
        ("carbon:100", "carbon:1"),
        ("carbon=100;matlab@server:2", "matlab@server:2,carbon:1"),
        ("carbon,carbon:3,a;b", "a;b,carbon:1"),
        ("carbonate:2", "carbonate:2,carbon:1"),
        ("a|b", "a|b"),
        ("a|carbon:9|b", "a|b"),
    ],
)
def test_a_flexible_job_behind_the_gate_gets_the_licence_once(
    submit: Submit, asked: str | None, merged: str
) -> None:
    did = submit(settings=GATE, licenses=asked)
    assert did.assigned.get("licenses", asked) == merged
    assert did.tag


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ("carbon:100", ""),
        ("carbon=7;x:1", "x:1"),
        ("x:1,carbon", "x:1"),
        ("x|carbon:2", "x"),
        ("carbon|x", "x"),
    ],
)
@pytest.mark.parametrize("script", ["#!/bin/sh\n", None])
def test_nobody_else_gets_the_licence(submit: Submit, asked: str, left: str, script: str | None) -> None:
    assert submit(settings=GATE, licenses=asked, comment=None, script=script).assigned == {"licenses": left}


def test_the_licence_cannot_be_asked_for_by_task(submit: Submit) -> None:
    did = submit(settings=GATE, comment=None, tres_per_task="gres/gpu:1,license/carbon:5,license/x:1")
    assert did.assigned == {"tres_per_task": "gres/gpu:1,license/x:1"}


@pytest.mark.parametrize(
    ("settings", "partition"),
    [({}, None), ({"gate_partitions": ["long"]}, None), ({"gate_partitions": ["main"]}, "main,long")],
)
def test_without_a_gate_for_all_its_partitions_a_job_gets_no_licence(
    submit: Submit, settings: dict[str, object], partition: str | None
) -> None:
    assert "licenses" not in submit(settings=settings, partition=partition).assigned


def test_only_a_slurm_conf_that_lacks_the_licence_for_sure_shuts_the_gate_off(lua: Any) -> None:
    """Slurm rejects a job that asks for a licence that it does not have."""
    lacking = ["", "Licenses=app:8\n", "#Licenses=carbon:5\n", "x=1\nlicenses = carbonate:1 # carbon:1\n"]
    having = ["Licenses=carbon:5\n", " LICENSES = app,carbon:9\n", "include more.conf\n", "a=1\n Include x\n"]
    answers = lua.run({"confs": lacking + having, "licence": "carbon"})["answers"]
    assert answers == [True] * len(lacking) + [False] * len(having)
    assert lua.run({"confs": lacking, "licence": "carbon@server"})["answers"] == [False] * len(lacking)


def test_the_licence_may_have_another_name(submit: Submit) -> None:
    did = submit(settings=GATE | {"gate_licence": "green@grid"}, licenses="green:4,carbon:1")
    assert did.assigned["licenses"] == "carbon:1,green@grid:1"


def test_a_budget_makes_jobs_of_its_owner_flexible_and_says_for_how_long(submit: Submit) -> None:
    rules = [
        {"qos": "slow", "tag": "carbon:flex=4h"},
        {"user": "ada", "budget": True, "tag": "carbon:flex=2h"},
    ]
    did = submit(settings={"defaults": rules}, comment=None, user_name="ada")
    tag = parse_tag(did.tag)
    assert tag is not None
    assert (tag.by, tag.flex) == ("budget", timedelta(hours=2))
    assert did.said[0].startswith("carbon: flexible while its budget is used up, starts by ")
    site = parse_tag(submit(settings={"defaults": rules}, comment=None, user_name="ada", qos="slow").tag)
    assert site is not None
    assert site.by == "site"
    assert submit(settings={"defaults": rules}, comment=None, user_name="bob").tag is None
    own = parse_tag(submit(settings={"defaults": rules}, comment="carbon:flex=1h", user_name="ada").tag)
    assert own is not None
    assert (own.by, own.flex) == ("owner", timedelta(hours=1))
