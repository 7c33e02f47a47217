"""The example of docs/figures.md: each line of its arithmetic, and what the code makes of the same day."""

import ast
import operator
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from carbonslurm.app.attempts import lived
from carbonslurm.app.cluster_totals import Group, cluster_totals
from carbonslurm.app.figuring import FigureRules, figured
from carbonslurm.core.baseline import BeginChange
from carbonslurm.core.energy import Covers, Measurement
from carbonslurm.core.footprint import Baseline, Beside, Figure
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.idle import Nodes
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, RunKey, Tres
from carbonslurm.core.painted import Painted
from carbonslurm.core.power import PowerModel
from carbonslurm.core.pue import Pue
from carbonslurm.core.without_us import starts_without_us
from carbonslurm.ledger.painting import Layer, paint
from carbonslurm.ports import RunFilter, RunRow, RunToFigure
from carbonslurm.sim.pools import PartitionSize
from carbonslurm.sim.queue_model import queueing_on

DOC = (Path(__file__).parents[2] / "docs" / "figures.md").read_text(encoding="utf-8")
EXAMPLE = DOC.split("## An example, worked by hand")[1].split("\n## ")[0]
DAY = datetime(2026, 11, 22, tzinfo=UTC)
WHOLE = Tres(64, 1, {"a100": 4})
MODEL = PowerModel()
PUE = 1.25
IDLE_WATTS = 300.0
MILLIGRAM = 0.001


def at(clock: str) -> datetime:
    hours, minutes = clock.split(":")
    return DAY + timedelta(hours=int(hours), minutes=int(minutes))


# --- the arithmetic

LINES = [line for line in EXAMPLE.split("```text\n")[1].split("```")[0].splitlines() if line]
WORKS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def worked_out(node: ast.expr) -> Fraction:
    """The value of an expression of numbers and the four operations."""
    match node:
        case ast.Constant(value=int() | float()):
            return Fraction(str(node.value))
        case ast.BinOp():
            return WORKS[type(node.op)](worked_out(node.left), worked_out(node.right))
    raise AssertionError(ast.dump(node))


@pytest.mark.parametrize("line", LINES)
def test_each_line_is_right(line: str) -> None:
    _, sides = line.split(":", 1)
    given, result = sides.split("=")
    value = worked_out(ast.parse(given.strip().replace(" x ", " * "), mode="eval").body)
    assert abs(float(value) - float(result)) <= MILLIGRAM / 2


# --- the code


class Grid:
    """What the table of the example says."""

    def pictures(self, zone: str, window: Interval) -> Sequence[Painted]:
        assert at("08:00") <= window.start
        rows = re.findall(r"^\| (\d\d:\d\d) to (\d\d:\d\d) \| (\d+) \| (\d+) \|$", EXAMPLE, re.MULTILINE)
        found = []
        for place, kind in ((2, Kind.AVERAGE), (3, Kind.MARGINAL)):
            layers = [
                Layer(at(row[0]).timestamp(), at(row[1]).timestamp(), float(row[place]), False, "operator")
                for row in rows
            ]
            known = paint(zone, Nature(kind, Scope.DIRECT), layers)
            assert known is not None
            found.append(known)
        return found


def run(job_id: int, user: str, came: str, started: str, ended: str) -> AccountedRun:
    return AccountedRun(
        key=RunKey("green", job_id, at(came)),
        array_job_id=None,
        user=user,
        account="physics",
        partition="gpu",
        qos="normal",
        eligible=at(came),
        started=at(started),
        ended=at(ended),
        state="COMPLETED",
        exit_code="0:0",
        time_limit=None,
        tres=WHOLE,
        energy_joules=None,
        tag=None,
    )


def ada() -> RunToFigure:
    its = run(1, "Ada", "08:00", "12:00", "14:20")
    return RunToFigure(
        run=its,
        earlier=(),
        first_eligible=at("08:00"),
        changes={its.key: (BeginChange(at("08:00"), at("12:00")),)},
        lost_from={},
        restart_cost={},
        measured=(Measurement("prometheus:dcgm", Covers.GPUS, 2.45),),
    )


def bob() -> RunToFigure:
    return RunToFigure(run(2, "Bob", "09:00", "09:00", "12:00"), (), None, {}, {}, {})


def figures() -> dict[str, Figure]:
    both = [ada(), bob()]
    size = PartitionSize(1, 64, 4)
    history = [lived(item, timedelta(), at("00:00")) for item in both]
    starts = starts_without_us(history, lambda waiters: queueing_on(size, waiters))
    assert starts == {both[0].run.key: at("08:00"), both[1].run.key: at("10:20")}
    rules = FigureRules(lambda _: "GB", lambda _: MODEL, timedelta(), Pue.constant(PUE))
    items = [
        RunToFigure(
            item.run,
            (),
            item.first_eligible,
            item.changes,
            {},
            {},
            {item.run.key: starts[item.run.key]},
            item.measured,
        )
        for item in both
    ]
    return {item.run.user: made for item, made in figured(items, rules, Grid())}


class Book(Grid):
    """A ledger with the two runs."""

    def runs(self, wanted: RunFilter) -> Sequence[RunRow]:
        assert wanted.clusters == ("green",)
        made = figures()
        return [
            RunRow(item.run, item.first_eligible, False, False, False, None, made[item.run.user])
            for item in (ada(), bob())
        ]


def row(name: str, made: Sequence[Figure], method: str) -> str:
    def total(values: Sequence[float | None]) -> float:
        assert None not in values
        return sum(value or 0.0 for value in values)

    def cell(values: Sequence[float | None]) -> str:
        return f"{total(values):.3f}".replace("-0.000", "0.000")

    beside: list[Beside] = [it.beside for it in made if it.beside]
    cells = [
        f"{total([it.energy_kwh for it in made]):.4f}",
        method,
        cell([it.emitted_g for it in made]),
        cell([it.baseline_g for it in made]),
        cell([it.saved(Baseline.SIMPLE) for it in made]),
        cell([it.queue_g for it in made]),
        cell([it.saved(Baseline.QUEUE) for it in made]),
        cell([it.emitted_g for it in beside]),
        f"{cell([it.baseline_g for it in beside])}, {cell([it.queue_g for it in beside])}",
    ]
    return f"| {name} | {' | '.join(cells)} |".replace("|  |", "| |")


def test_the_table_is_what_the_code_makes_of_it() -> None:
    shown = re.search(r"<!-- from the code -->\n(.*?)<!-- end -->", EXAMPLE, re.DOTALL)
    assert shown is not None
    made = figures()
    (machines,) = totals()
    rows = [
        row("Ada", [made["Ada"]], made["Ada"].energy_method),
        row("Bob", [made["Bob"]], made["Bob"].energy_method),
        row("sum", list(made.values()), ""),
        f"| idle | {machines.idle_kwh:.4f} | | {machines.idle_g:.3f} | | | | | | |",
    ]
    assert shown[1].splitlines()[2:] == rows


def totals() -> list:  # type: ignore[type-arg]
    group = Group(
        partitions=("gpu",),
        nodes=Nodes(1, 64, 4),
        zone="GB",
        full_watts=MODEL.parts(WHOLE).total,
        idle_watts=IDLE_WATTS,
        pue=lambda _: PUE,
    )
    window = Interval(at("08:00"), at("16:00"))
    return cluster_totals(Book(), "green", [group], window)  # type: ignore[arg-type]


def said(name: str) -> float:
    """The result of a line of the arithmetic."""
    (line,) = [line for line in LINES if line.startswith(f"{name}:")]
    return float(line.rpartition("=")[2])


def test_the_arithmetic_is_the_code_s_to_the_milligram() -> None:
    made = figures()
    one, two = made["Ada"], made["Bob"]
    assert one.beside is not None
    assert two.beside is not None
    (machines,) = totals()
    simple, queue = machines.counted
    worked = {
        "Ada, kWh": one.energy_kwh,
        "Ada, emitted": one.emitted_g,
        "Ada, simple baseline": one.baseline_g,
        "Ada, marginal": one.beside.emitted_g,
        "Ada, its baseline": one.beside.baseline_g,
        "Bob, kWh": two.energy_kwh,
        "Bob, emitted": two.emitted_g,
        "Bob, queue baseline": two.queue_g,
        "Bob, marginal": two.beside.emitted_g,
        "Bob, its baseline": two.beside.queue_g,
        "both, saved, simple": simple.saved_g,
        "both, saved, queue": queue.saved_g,
        "idle, kWh": machines.idle_kwh,
        "idle, g": machines.idle_g,
        "u": machines.utilisation,
        "r": IDLE_WATTS / machines.group.full_watts,
        "jobs, queue, percent": queue.saved_percent,
        "machines, percent": machines.cluster_percent(queue),
    }
    assert list(worked) == [line.split(":")[0] for line in LINES]
    assert worked == {name: pytest.approx(said(name), abs=MILLIGRAM / 2) for name in worked}


def test_the_words_behind_the_table_are_its_numbers() -> None:
    (machines,) = totals()
    simple, queue = machines.counted
    words = " ".join(EXAMPLE.split("<!-- end -->")[1].split())
    assert f"saved {simple.saved_g / 1000:.1f} kg, {simple.saved_percent:.1f} %" in words
    assert f"saved {queue.saved_g / 1000:.2f} kg, {queue.saved_percent:.1f} %" in words
    assert f"{machines.cluster_percent(queue):.1f} %" in words


def test_the_power_of_the_node_is_what_is_said() -> None:
    parts = MODEL.parts(WHOLE)
    assert (parts.total, parts.cpus + parts.nodes) == (1480, 360)
    assert "1480 W when a run has all of it, of which 360 W are not the GPUs'" in EXAMPLE
