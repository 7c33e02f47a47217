"""What goes into the ledger comes out the same."""

import string
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonslurm.core.energy import Quality
from carbonslurm.core.footprint import Beside, Figure
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, AccountedStep, RunKey, Tres
from carbonslurm.core.tag import Checkpoint, FlexibleBy, Tag
from carbonslurm.errors import DataError
from carbonslurm.ledger.columns import Moment
from carbonslurm.ledger.encoding import read_tag, tag_text
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import RunFilter

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.datetimes(datetime(1970, 1, 2), datetime(2240, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
seconds = st.integers(1, 10**9 - 1).map(lambda number: timedelta(seconds=number))
epochs = st.integers(1, 10**9).map(lambda number: EPOCH + timedelta(seconds=number))
checkpoints = st.builds(
    Checkpoint,
    signal=st.sampled_from(["USR1", "TERM"]),
    grace=st.integers(1, 3600).map(lambda number: timedelta(seconds=number)),
    full=st.booleans(),
    restart=st.none() | seconds,
)
tags = st.builds(
    Tag,
    flex=seconds,
    by=st.sampled_from(FlexibleBy),
    latest=st.none() | epochs,
    begin=st.none() | epochs,
    window=st.none() | epochs,
    finish=st.none() | epochs,
    checkpoint=st.none() | checkpoints,
    length=st.none() | seconds,
)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
held = st.builds(
    Tres,
    st.integers(0, 10**6),
    st.integers(0, 10**5),
    st.dictionaries(st.text(string.printable), st.integers(0, 10**6), max_size=3),
)
runs = st.builds(
    AccountedRun,
    key=st.builds(RunKey, st.just("green"), st.integers(1, 2**32 - 1), moments),
    array_job_id=st.none() | st.integers(1, 2**32 - 1),
    array_task=st.none() | st.integers(0, 2**32 - 1),
    user=words,
    account=words,
    partition=words,
    qos=words,
    eligible=st.none() | moments,
    started=st.none() | moments,
    ended=st.none() | moments,
    state=words,
    exit_code=words,
    time_limit=st.none() | seconds,
    tres=held,
    energy_joules=st.none() | st.floats(0, 1e15),
    tag=st.none() | tags,
    node_list=words,
    suspended=seconds,
    name=st.none() | words,
)
steps = st.builds(
    AccountedStep,
    run=st.none(),
    name=words,
    job_name=st.none() | words,
    state=words,
    exit_code=words,
    started=st.none() | moments,
    ended=st.none() | moments,
    tres=held,
    energy_joules=st.none() | st.floats(0, 1e15),
)
natures = st.builds(Nature, st.sampled_from(Kind), st.sampled_from(Scope))
grams = st.none() | st.floats(-1e12, 1e12)
besides = st.builds(
    Beside, natures, words, emitted_g=grams, baseline_g=grams, queue_g=grams, estimated=st.booleans()
)
intervals = st.tuples(moments, moments).map(lambda pair: Interval(min(pair), max(pair)))
figures = st.builds(
    Figure,
    energy_kwh=st.floats(0, 1e9),
    energy_method=words,
    emitted_g=grams,
    baseline=intervals,
    baseline_g=grams,
    lost=seconds,
    nature=st.none() | natures,
    source=st.none() | words,
    estimated=st.booleans(),
    queue=st.none() | intervals,
    queue_g=grams,
    zone=st.none() | words,
    beside=st.none() | besides,
    quality=st.none() | st.sampled_from(Quality),
    pue=st.none() | st.floats(1, 5),
)


@given(moments)
def test_a_moment_comes_back_to_the_microsecond(moment: datetime) -> None:
    column = Moment()
    stored = column.process_bind_param(moment, None)  # type: ignore[arg-type]
    assert column.process_result_value(stored, None) == moment  # type: ignore[arg-type]


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    noon = datetime.fromisoformat("2026-10-25T12:00:00+13:45")
    assert Moment().process_bind_param(noon, None) == noon.timestamp()  # type: ignore[arg-type]


def test_a_naive_moment_is_refused_by_name(ledger: Ledger) -> None:
    with pytest.raises(DataError, match="time without a zone"):
        ledger.mark_accounted("green", datetime(2026, 11, 22))  # noqa: DTZ001
    assert ledger.accounted_until("green") is None


@given(st.none() | tags)
def test_a_tag_comes_back(tag: Tag | None) -> None:
    assert read_tag(tag_text(tag)) == tag


@settings(max_examples=30, deadline=None)
@given(run=runs, figure=figures, at=moments)
def test_a_run_and_its_figure_come_back(run: AccountedRun, figure: Figure, at: datetime) -> None:
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
        ledger.keep_runs([run], at)
        ledger.keep_figures([(run.key, figure)], at)
        (row,) = ledger.runs(RunFilter())
    assert (row.run, row.figure) == (run, figure)


@settings(max_examples=30, deadline=None)
@given(run=runs, made=st.lists(steps, max_size=4, unique_by=lambda step: step.name), at=moments)
def test_the_steps_of_a_run_come_back(run: AccountedRun, made: list[AccountedStep], at: datetime) -> None:
    mine = {step.name: replace(step, run=run.key) for step in made}
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
        ledger.keep_runs([run], at)
        ledger.keep_steps(list(mine.values()))
        found = ledger.steps(RunFilter())
    assert {step.name: step for step in found.get(run.key, ())} == mine
