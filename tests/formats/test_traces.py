"""Traces in four spellings: read by hand-written files, refused with file and line."""

import gzip
import os
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.errors import DataError
from carbonslurm.formats.traces import NO_LENGTH, UNREAD, read_trace

NOON = 1_666_180_800.0  # 2022-10-19T12:00Z
OURS = """\
job_id,user,submit_time,start_time,end_time,duration_s,gpus,cpus,nodes,state,time_limit_min,partition
7,ann,2022-10-19T12:00:00Z,,,600,2,16,1,COMPLETED,60,gpu
8,bob,2022-10-19T12:00:01Z,2022-10-19T13:00:00Z,2022-10-19T13:10:00Z,,,4,,COMPLETED,,
9,bob,2022-10-19T12:00:02Z,,,0,,4,,CANCELLED,,
"""


def test_ours_by_hand() -> None:
    read = read_trace(OURS, "jobs.csv")
    assert read.dated
    first, second = read.jobs
    assert (first.job_id, first.submitted, first.length, first.limit) == ("7", NOON, 600, 3600)
    assert (first.gpus, first.cpus, first.nodes, first.user, first.partition) == (2, 16, 1, "ann", "gpu")
    assert (second.length, second.gpus, second.limit) == (600, None, None)
    assert read.left_out == {NO_LENGTH: 1}


def test_what_really_was_is_kept_beside() -> None:
    """Starts of CSV, SWF and sacct; when a run was eligible, its QOS and its tag of sacct; data of CSV."""
    header = "submit_time,start_time,duration_s,cpus,qos,data_gb\n"
    (ours,) = read_trace(header + "2022-10-19T12:00:00Z,2022-10-19T12:30:00Z,60,1,long,2.5\n", "j.csv").jobs
    assert (ours.started, ours.qos, ours.data_gb) == (NOON + 1800, "long", 2.5)
    assert read_trace(SWF, "log.swf").jobs[0].started == NOON + 10
    (run,) = read_trace(
        "JobIDRaw|Submit|Eligible|Start|End|State|QOS|AllocCPUS|AdminComment\n"
        f"7|{NOON:.0f}|{NOON + 60:.0f}|{NOON + 90:.0f}|{NOON + 100:.0f}|COMPLETED|long|4|"
        "carbon:v=1,flex=60,by=owner\n",
        "sacct.txt",
    ).jobs
    assert (run.started, run.eligible, run.qos) == (NOON + 90, NOON + 60, "long")
    assert run.tag is not None
    assert run.tag.flex.total_seconds() == 60


def test_offsets_are_no_moments() -> None:
    read = read_trace("job_id,submit_offset_s,duration_s,cpus\n1,0,91469,1\n2,10.5,60,2\n", "jobs.csv")
    assert not read.dated
    assert [job.submitted for job in read.jobs] == [0, 10.5]


def test_gaia_by_hand() -> None:
    read = read_trace("arrival_time,length,cpus\n0.0,6302.0,1\n68.0,1000.0,2\n", "pai.csv")
    assert not read.dated
    assert [(job.job_id, job.submitted, job.length, job.cpus) for job in read.jobs] == [
        ("1", 0, 6302, 1),
        ("2", 68, 1000, 2),
    ]


SWF = """\
; UnixStartTime: 1666180800
; MaxProcs: 128

1 0 10 600 16 -1 -1 16 3600 -1 1 3 1 -1 1 2 -1 -1
2 5 10 -1 16 -1 -1 16 3600 -1 0 3 1 -1 1 2 -1 -1
3 9 10 60 -1 -1 -1 8 -1 -1 1 -1 -1 -1 1 -1 -1 -1
"""


def test_swf_by_hand() -> None:
    read = read_trace(SWF, "log.swf")
    first, third = read.jobs
    assert (first.submitted, first.length, first.cpus, first.limit) == (NOON, 600, 16, 3600)
    assert (first.user, first.account, first.partition) == ("u3", "g1", "p2")
    assert (third.submitted, third.cpus, third.limit, third.user) == (NOON + 9, 8, None, "")
    assert (read.dated, read.left_out) == (True, {NO_LENGTH: 1})


def test_swf_without_its_beginning_is_of_offsets() -> None:
    read = read_trace("1 0 10 600 16 -1 -1 16 3600 -1 1 3 1 -1 1 2 -1 -1\n", "log.swf")
    assert (read.dated, read.jobs[0].submitted) == (False, 0)


SACCT = """\
JobID|User|Partition|Submit|Start|End|State|Timelimit|AllocTRES
12|ann|gpu|2022-10-19T12:00:00|2022-10-19T12:30:00|2022-10-19T13:30:00|COMPLETED|02:00:00|cpu=8,node=1,gres/gpu:a100=2
12.batch|||2022-10-19T12:30:00|2022-10-19T12:30:00|2022-10-19T13:30:00|COMPLETED||cpu=8
13|bob|gpu|2022-10-19T12:00:00|Unknown|Unknown|PENDING|02:00:00|
"""


def test_sacct_by_hand() -> None:
    read = read_trace(SACCT, "sacct.txt")
    (job,) = read.jobs
    assert (job.job_id, job.submitted, job.length, job.limit) == ("12", NOON, 3600, 7200)
    assert (job.cpus, job.gpus, job.nodes, job.gpu_type, job.user) == (8, 2, 1, "a100", "ann")
    assert read.left_out == {UNREAD: 1, NO_LENGTH: 1}


@pytest.mark.parametrize("column", ["AllocCPUS", "NCPUS"])
def test_sacct_without_tres_has_cpus_and_nodes_all_the_same(column: str) -> None:
    text = (
        f"JobID|Submit|Start|End|State|{column}|NNodes\n1|1666180800|1666180900|1666181000|COMPLETED|16|2\n"
    )
    (job,) = read_trace(text, "sacct.txt").jobs
    assert (job.cpus, job.nodes, job.gpus) == (16, 2, 0)


def test_sacct_with_epochs() -> None:
    text = "JobID|Submit|Start|End|State|AllocTRES\n1|1666180800|1666180900|1666181000|COMPLETED|cpu=1\n"
    (job,) = read_trace(text, "sacct.txt").jobs
    assert (job.submitted, job.length) == (NOON, 100)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "t:1: no jobs"),
        ("job_id,cpus\n1,2\n", "t:1: no column submit_time"),
        ("submit_time,cpus\n", "t:1: no column duration_s"),
        ("submit_time,duration_s\n", "t:1: no column cpus"),
        ("submit_time,duration_s,cpus\n2022-10-19T12:00Z,5,1\nyesterday,5,1\n", "t:3: expected a time"),
        ("submit_time,duration_s,cpus\n,5,1\n", "t:2: submit_time is empty"),
        ("submit_time,duration_s,cpus\n2022-10-19T12:00Z,five,1\n", "t:2: duration_s: not a number"),
        ("submit_time,duration_s,cpus\n2022-10-19T12:00Z,5,-4\n", "t:2: cpus: below zero"),
        ("submit_time,duration_s,cpus\n2022-10-19T12:00Z,5\n", "t:2: 2 cells, expected 3"),
        ("submit_time,duration_s,cpus\n2022-10-19T12:00Z,nan,1\n", "t:2: duration_s: out of range"),
        ("1 0 10 600 16\n", "t:1: 5 fields, expected the 18 of SWF"),
        ("User|Start|End|NCPUS\na|b|c|1\n", "t:1: sacct: no run can be told"),
        ("JobID|Submit|Start|End|User\n", "t:1: no column AllocTRES (or AllocCPUS) in the header of sacct"),
        ("JobID|Submit|AllocTRES\n", "t:1: no column Start, End in the header of sacct"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(DataError, match="^" + re.escape(words)):
        read_trace(text, "t")


@given(
    st.text(
        alphabet=st.sampled_from('0123456789,;|.-:TZ \n"abcjob_idsubmit_timeduration_scpus'), max_size=200
    )
)
def test_any_text_is_read_or_refused_as_data(text: str) -> None:
    with suppress(DataError):
        assert read_trace(text, "t").jobs is not None


FOUND = {  # jobs, and rows that are none; counted by hand with zcat and awk
    "mit-supercloud-2021": (9628, 0),
    "ricc-2010-may-june": (95_267, 9),
    "pai-1k-gaia": (1000, 0),
    "pai-100k-gaia": (99_998, 0),
    "ubhpc-week-slurm": (19_552, 27),
    "xdmod-phillips-2016": (4024, 261),
    "xdmod-pozidriv-2016": (10_673, 1031),
}


@pytest.mark.parametrize("name", FOUND)
def test_every_recorded_trace_is_read_whole(name: str) -> None:
    root = os.environ.get("CARBONSLURM_DATA")
    if root is None:
        pytest.skip("CARBONSLURM_DATA names no folder with traces")
    path = Path(root) / "jobs" / f"{name}.csv.gz"
    read = read_trace(gzip.decompress(path.read_bytes()).decode(), path.name)
    assert (len(read.jobs), sum(read.left_out.values())) == FOUND[name]
