"""What our adapters ask and tell Slurm about age, with programs in the place of Slurm's own commands."""

from datetime import timedelta
from pathlib import Path

import pytest

from carbonslurm.errors import DataError
from carbonslurm.formats.held import read_held
from carbonslurm.ports import Setting
from carbonslurm.slurm import looks
from carbonslurm.slurm.hold import HoldActuator
from carbonslurm.slurm.wire import Wire

CONFIG = """\
AccountingStorageEnforce = associations,limits
PriorityFlags           =
PriorityMaxAge          = 7-00:00:00
PrioritySiteFactorPlugin = (null)
PriorityType            = priority/multifactor
PriorityWeightAge       = 1000
"""
NO_LIMIT = 'case "$*" in *qos*) echo "normal|||";; *) echo "root|||";; esac'


class Programs:
    """A folder of programs, and what they were called with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"

    def put(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "$*" >> {self.log}\n{text}\n')
        path.chmod(0o755)

    def wire(self) -> Wire:
        return Wire(timedelta(seconds=20), {"PATH": f"{self.folder}:/usr/bin:/bin"})

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


def age(programs: Programs, config: str = CONFIG, limits: str = NO_LIMIT, *, compensates: bool = True) -> str:
    programs.put("scontrol", f"cat <<'END'\n{config}END")
    programs.put("sacctmgr", limits)
    return looks.age(programs.wire(), "toy", compensates)


def test_doctor_says_that_age_is_given_back(programs: Programs) -> None:
    said = age(programs)
    assert (
        said
        == "age is lost by waiting, up to 1000 of priority (PriorityWeightAge); the site factor gives it back"
    )
    assert any("cluster=toy" in call for call in programs.calls())


def test_doctor_says_what_may_be_done_where_it_is_not(programs: Programs) -> None:
    said = age(programs, compensates=False)
    assert "ACCRUE_ALWAYS" in said
    assert "withhold.age_compensation: site_factor" in said


def test_doctor_says_that_none_is_lost_and_asks_no_further(programs: Programs) -> None:
    config = CONFIG.replace("PriorityFlags           =", "PriorityFlags           = ACCRUE_ALWAYS")
    assert age(programs, config, limits="exit 1") == "jobs lose no priority by waiting"


def test_doctor_fails_where_a_plugin_overwrites_the_site_factor(programs: Programs) -> None:
    with pytest.raises(DataError, match="PrioritySiteFactorPlugin=site_factor/own overwrites"):
        age(programs, CONFIG.replace("(null)", "site_factor/own"))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (NO_LIMIT.replace("normal|||", "normal||2|"), "MaxJobsAccruePU=2 of QOS normal"),
        (NO_LIMIT.replace("root|||", "science|ada||1"), "MaxJobsAccrue=1 of user ada"),
    ],
)
def test_doctor_fails_where_few_jobs_may_age(programs: Programs, limits: str, words: str) -> None:
    with pytest.raises(DataError, match=f"{words}: not every waiting job ages here"):
        age(programs, limits=limits)


def test_a_job_whose_hold_is_refused_has_its_old_site_factor_again(programs: Programs) -> None:
    programs.put(
        "scontrol", 'case "$1" in uhold) echo "Access/permission denied for job 8" >&2; exit 1;; esac'
    )
    answers = HoldActuator(programs.wire()).withhold(["7", "8"], Setting(site_factor=500, factor_before=20))
    assert dict(answers) == {"7": None, "8": "Access/permission denied for job 8"}
    assert programs.calls() == [
        "update JobId=7,8 SiteFactor=500",
        "uhold 7,8",
        "update JobId=8 SiteFactor=20",
    ]


def test_where_no_age_is_given_a_refused_hold_is_one_call(programs: Programs) -> None:
    programs.put("scontrol", 'echo "Access/permission denied for job 8" >&2; exit 1')
    HoldActuator(programs.wire()).withhold(["8"], Setting())
    assert programs.calls() == ["uhold 8"]


@pytest.mark.parametrize(
    ("tag", "since"),
    [
        ("carbon:v=1,flex=3600,latest=1795338000,by=owner", 1_795_334_400),
        ("carbon:v=1,flex=3600,latest=1795341600,begin=1795338000,by=owner", 1_795_338_000),
        ("carbon:v=1,flex=3600,by=owner", None),
        ("carbon:v=1,of another kind", None),
    ],
)
def test_a_held_job_says_since_when_waiting_costs_it_age(tag: str, since: int | None) -> None:
    """One that waited for others at submit does not; nor one whose tag another version wrote."""
    raw = f"""{{"jobs": [{{"job_state": "PENDING", "priority": 0, "state_reason": "JobHeldUser", "job_id": 7,
        "admin_comment": "{tag}", "comment": "carbon:held=1795338000", "submit_time": 1795334400}}]}}"""
    (hold,) = read_held(raw.encode())
    assert (hold.since and hold.since.timestamp()) == since
