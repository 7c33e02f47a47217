"""docs/policies.md and docs/figures.md against the code that they describe."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from carbonslurm.core.baseline import Attempt, baselines
from carbonslurm.core.devices import GPU_SOURCES, GPU_WATTS, gpu_watts
from carbonslurm.core.energy import Energy, Quality
from carbonslurm.core.footprint import Figure, figure, percent_saved
from carbonslurm.core.forecast import Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import Tres
from carbonslurm.core.policies import POLICIES
from carbonslurm.core.power import PowerModel
from carbonslurm.core.stop import OVER, TABLE, Command, Phase, Seen

DOCS = Path(__file__).parents[2] / "docs"
POLICIES_DOC = (DOCS / "policies.md").read_text(encoding="utf-8")
FIGURES_DOC = (DOCS / "figures.md").read_text(encoding="utf-8")


def stop_table() -> str:
    """The table of a stop, from the code; what is not in it means: wait."""
    phases = [phase for phase in Phase if phase not in OVER]
    lines = [f"| seen | {' | '.join(phases)} |", "|---" * (len(phases) + 1) + "|"]
    for seen in Seen:
        cells = [_cell(phase, seen) for phase in phases]
        lines.append(f"| {seen} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(phase: Phase, seen: Seen) -> str:
    if (phase, seen) not in TABLE:
        return "wait"
    command, after = TABLE[phase, seen]
    return f"-> {after}" if command is Command.NOTHING else f"{command} -> {after}"


def test_the_table_of_a_stop_is_the_code_s() -> None:
    shown = re.search(r"<!-- from .*? -->\n(.*?)<!-- end -->", POLICIES_DOC, re.DOTALL)
    assert shown is not None
    assert shown[1] == stop_table()


def test_every_policy_has_its_section() -> None:
    for name in POLICIES:
        assert re.search(rf"^## \d+\. {name}$", POLICIES_DOC, re.MULTILINE), name


def test_numbers_that_the_code_refers_to() -> None:
    """core/policies.py speaks of sections 2 and 4, core/footprint.py of equation 2, core/idle.py of 5."""
    assert "## 2. threshold\n" in POLICIES_DOC
    assert "## 4. lowest-window\n" in POLICIES_DOC
    assert "\n(2) *g = kWh x time-weighted mean intensity" in FIGURES_DOC
    assert "\n(4) *start without us = real start - (" in FIGURES_DOC
    assert "\n(5) *saving of the machines in percent = saving of the jobs in percent x " in FIGURES_DOC


# --- the example of a stop

EVENING = datetime(2026, 11, 22, 16, tzinfo=UTC)
ONE_KW = 1.0


def at(hour: float) -> datetime:
    """An hour of the example's day, which ends after midnight."""
    return EVENING + timedelta(hours=hour - 16)


def between(start: float, end: float) -> Interval:
    return Interval(at(start), at(end))


def grid() -> Series:
    levels = [(hour, 300.0 if hour < 18 else 500.0 if hour < 22 else 200.0) for hour in range(15, 26)]
    steps = [Step(between(hour, hour + 1), level) for hour, level in levels]
    return Series.from_steps("GB", "example", Nature(Kind.AVERAGE, Scope.LIFECYCLE), steps)


def example() -> list[Figure]:
    six_minutes = timedelta(minutes=6)
    attempts = [
        Attempt(between(16, 18.1), at(16), lost=six_minutes),
        Attempt(between(22, 24.1), at(18.1), lost=six_minutes, continues=True),
    ]
    return [
        figure(
            ran=attempt.ran,
            baseline=baseline,
            energy=Energy(ONE_KW * (attempt.ran.length / timedelta(hours=1)), "modelled", Quality.MODELLED),
            series=grid(),
            lost=attempt.lost,
        )
        for attempt, baseline in zip(attempts, baselines(attempts), strict=True)
    ]


def test_the_example_of_a_stop_is_right() -> None:
    first, second = example()
    assert (first.baseline, second.baseline) == (between(16, 18), between(18, 20))
    assert [each.energy_kwh for each in (first, second)] == pytest.approx([2.1, 2.1])
    assert [first.emitted_g, first.baseline_g, first.saved_g] == pytest.approx([650, 600, -50])
    assert [second.emitted_g, second.baseline_g, second.saved_g] == pytest.approx([420, 1000, 580])
    assert percent_saved(650 + 420, 600 + 1000) == pytest.approx(33.1, abs=0.05)


def test_the_document_has_these_numbers() -> None:
    rows = [line for line in FIGURES_DOC.splitlines() if re.match(r"\| (1|2|both) \|", line)]
    assert [row.split("|")[-2].strip() for row in rows] == ["-50 g", "580 g", "530 g, 33.1 %"]
    assert ["650 g" in rows[0], "420 g" in rows[1], "1070 g" in rows[2], "1600 g" in rows[2]] == [True] * 4


# --- the model


def test_equation_one_by_hand() -> None:
    """Two of four GPUs and 16 of 64 CPUs: half a node."""
    model = PowerModel(gpu_watts={"a100": 400.0})
    watts = 2 * 400 * 0.7 + 16 * 5 * 0.5 + 200 * 0.5
    tres = Tres(cpus=16, nodes=1, gpus={"a100": 2})
    assert model.parts(tres).total == pytest.approx(watts)
    assert model.watts(tres) == pytest.approx(1.3 * watts)


NAMED = [
    ["t4", "l4"],
    ["v100", "v100-pcie"],
    ["a30", "a40"],
    ["a100", "a100-pcie-40gb", "a100-pcie-80gb"],
    ["l40", "l40s"],
    ["h100", "h100-pcie", "h100-nvl"],
    ["h200", "b200"],
    ["mi100", "mi210"],
    ["mi250x", "mi300x"],
    ["max-1550"],
]


def test_the_powers_named_are_the_table_s() -> None:
    shown = re.search(r"<!-- from core/devices.py -->\n(.*?)<!-- end -->", FIGURES_DOC, re.DOTALL)
    assert shown is not None
    rows = [line.split("|")[2].split(",") for line in shown[1].splitlines()[2:]]
    assert [[float(watts) for watts in row] for row in rows] == [
        [gpu_watts(it) for it in row] for row in NAMED
    ]


def test_every_power_stands_in_energy_md_with_its_source() -> None:
    text = (DOCS / "energy.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- from core/devices.py -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert shown is not None
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in shown[1].splitlines()[2:]]
    assert rows == [[name, f"{watts:g}", GPU_SOURCES[name]] for name, watts in GPU_WATTS.items()]


def test_the_defaults_named_are_the_model_s() -> None:
    model = PowerModel()
    rows = re.findall(r"^\| ([\d.]+) W a (GPU|CPU|node) \|", FIGURES_DOC, re.MULTILINE)
    named = {what: float(watts) for watts, what in rows}
    assert named == {"GPU": model.other_gpu_watts, "CPU": model.cpu_watts, "node": model.node_watts}
    assert f"| utilisation {model.gpu_utilisation} and {model.cpu_utilisation} |" in FIGURES_DOC
    assert f"| PUE {model.pue} |" in FIGURES_DOC
