"""Hostile jobs, broken files and errors of our own: whatever happens, the job goes through.

Under real Lua interpreters; tests/slurm does the same through the real slurmctld.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from carbonslurm.core.tag import parse_tag
from carbonslurm.formats.hook import DefaultRule, HookSettings, render_hook_settings

JOB = {"script": "#!/bin/sh\n", "comment": "carbon:flex=12h", "gres": "gres:gpu:1"}
HOSTILE = '"]]\n1\\é'
SITE = render_hook_settings(HookSettings())

Submit = Callable[..., Any]


def test_only_the_comment_and_the_begin_time_are_ever_assigned(submit: Submit) -> None:
    assert set(submit(priority=0, time_limit=60, qos="slow").assigned) == {"admin_comment", "begin_time"}


@pytest.mark.parametrize(
    ("admin_comment", "kept"),
    [
        ("carbon:v=1,flex=99,by=owner", None),
        ("x carbon:v=1,flex=99,by=owner", None),
        ("a\nb", None),
        ("caf\u00e9", None),
        ("y" * 1_025, None),
        ("moved by ops", "moved by ops"),
    ],
)
def test_nobody_forges_the_tag(submit: Submit, admin_comment: str, kept: str | None) -> None:
    for script in ("#!/bin/sh\n", None):
        inflexible = submit(admin_comment=admin_comment, comment=None, script=script)
        assert inflexible.assigned == ({} if kept else {"admin_comment": ""})
    tag = submit(admin_comment=admin_comment).tag
    assert tag.startswith(f"{kept} carbon:v=1,flex=43200," if kept else "carbon:v=1,flex=43200,")


@pytest.mark.parametrize(
    "comment",
    [
        b"\xff\xfe carbon:flex=1h",
        b"carbon:flex=\xff\x1b[2J\xe9",
        b"carbon:flex=%s%d%n",
        b"\x1f\x07carbon:now\x00",
        b"carbon:" + b"," * 190,
        b"carbon:flex=1h " + b"\xe9" * 5_000,
        b"carbon:" + b"(%" * 5_000,
    ],
)
def test_hostile_bytes_never_come_back_raw(submit: Submit, comment: bytes) -> None:
    did = submit(comment=comment)
    for text in (*did.said, *did.logged, did.tag or ""):
        assert text.isascii()
        assert text.isprintable()
    assert not any("carbonslurm: job_submit" in line for line in did.logged)


def test_only_the_first_kilobyte_of_a_comment_is_looked_at(submit: Submit) -> None:
    assert submit(comment="x" * 1_024 + " carbon:flex=1h").assigned == {}


def test_the_entry_points_load_the_module_beside_them(lua: Any, hook_folder: Callable[..., Path]) -> None:
    settings = HookSettings(
        window=timedelta(minutes=7), defaults=(DefaultRule("carbon:flex=1h", qos=HOSTILE),)
    )
    folder = hook_folder(carbonslurm_site=render_hook_settings(settings))
    did = lua.submit(folder, entry=True, job=JOB | {"comment": None, "qos": HOSTILE}, uid=0)
    tag = parse_tag(did.tag)
    assert (did.returned, did.modified) == (0, 0)
    assert tag is not None
    assert tag.window is not None
    assert tag.latest is not None
    assert tag.latest - tag.window == timedelta(minutes=53)


@pytest.mark.parametrize(
    "module",
    [
        None,
        "",
        "return 5",
        "return {}",
        "this is no lua",
        "error('at load')",
        "error()",
        "return {job_submit = 1}",
    ],
    ids=ascii,
)
def test_a_missing_or_broken_module_lets_every_job_through(
    lua: Any, hook_folder: Callable[..., Path], module: str | None
) -> None:
    did = lua.submit(hook_folder(carbonslurm=module), entry=True, job=JOB, uid=0)
    assert (did.assigned, did.returned, did.modified) == ({}, 0, 0)


@pytest.mark.parametrize(
    "field", ["script", "comment", "gres", "admin_comment", "begin_time", "flag_default"]
)
def test_a_runtime_error_lets_the_job_through(lua: Any, hook_folder: Callable[..., Path], field: str) -> None:
    folder = hook_folder(carbonslurm_site=SITE)
    did = lua.submit(folder, entry=True, job=JOB, uid=0, raises=field, partitions={"main": {}})
    assert (did.assigned, did.returned, did.modified) == ({}, 0, 0)
    assert f"cannot read {field}" in did.logged[-1]


def test_an_error_in_assigning_leaves_no_window_without_a_tag(
    lua: Any, hook_folder: Callable[..., Path]
) -> None:
    folder = hook_folder(carbonslurm_site=SITE)
    did = lua.submit(folder, entry=True, job=JOB, uid=0, raises_on_setting="admin_comment")
    assert (did.assigned, did.returned) == ({}, 0)


@pytest.mark.parametrize(
    "site",
    [
        None,
        "",
        "return 5",
        "no lua",
        "error('x')",
        "return {window_s='soon', max_wait_s={}, margin_s=0/0, defaults=7, exclude_users='ada'}",
        "return {window_s=-1/0, max_wait_s=1/0, defaults={1, {}, {tag=3}, 'x'}, exclude_qos={{}}}",
    ],
    ids=ascii,
)
def test_broken_settings_fall_back_to_those_built_in(
    lua: Any, hook_folder: Callable[..., Path], site: str | None
) -> None:
    did = lua.submit(hook_folder(carbonslurm_site=site), entry=True, job=JOB, uid=0)
    assert did.returned == 0
    assert parse_tag(did.tag) is not None
    assert sum("built-in settings" in line for line in did.logged) == (
        0 if site and "window_s" in site else 1
    )


def test_a_site_with_its_own_entry_points_adds_two_lines(lua: Any, hook_folder: Callable[..., Path]) -> None:
    folder = hook_folder()
    own = f"""
        local _, carbon = pcall(dofile, "{folder}/carbonslurm.lua")
        function slurm_job_submit(job_desc, part_list, submit_uid)
          pcall(function() carbon.job_submit(job_desc, part_list, submit_uid) end)
          return slurm.SUCCESS
        end
        function slurm_job_modify() return slurm.SUCCESS end
    """
    (folder / "job_submit.lua").write_text(own, encoding="utf-8")
    assert parse_tag(lua.submit(folder, entry=True, job=JOB, uid=0).tag) is not None
