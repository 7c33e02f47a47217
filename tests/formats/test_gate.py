"""Where a gate would do harm, and where not."""

import pytest

from carbonslurm.core.means import GateRules
from carbonslurm.formats.gate import why_unfit

RULES = GateRules(licence="carbon", count=100_000)
SETTINGS = "MaxJobCount = 10000\nSchedulerParameters = bf_continue,bf_interval=30\nSLURM_VERSION = 24.11.5\n"
LICENCE = "LicenseName=carbon Total=100000 Used=0 Free=100000 Reserved=0 Remote=no\n"


def test_a_gate_suits_a_slurm_with_enough_of_its_licence() -> None:
    assert why_unfit(SETTINGS, LICENCE, RULES) is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("bf_continue", "bf_licenses", "SchedulerParameters has bf_licenses"),
        ("24.11.5", "25.05.0", "Slurm 25.05.0 drops"),
        ("24.11.5", "25.11.6", "Slurm 25.11.6 drops"),
        ("10000", "200000", "100000 of licence carbon are fewer than MaxJobCount=200000"),
    ],
)
def test_settings_and_versions_that_make_it_harmful(old: str, new: str, words: str) -> None:
    assert (why_unfit(SETTINGS.replace(old, new), LICENCE, RULES) or "").startswith(words)


@pytest.mark.parametrize("version", ["22.05.8", "24.11.5", "25.11.7", "26.05.0"])
def test_versions_that_suit_it(version: str) -> None:
    assert why_unfit(SETTINGS.replace("24.11.5", version), LICENCE, RULES) is None


def test_a_licence_that_is_not_there_or_is_another_number() -> None:
    assert why_unfit(SETTINGS, "", RULES) == "slurm.conf has no licence carbon: Licenses=carbon:100000"
    said = why_unfit(SETTINGS, LICENCE.replace("100000", "500"), RULES)
    assert said == "slurm.conf has 500 of licence carbon, withhold.gate.count says 100000"
