"""What pytest's report counts, and how an outcome is said."""

from datetime import timedelta

import pytest

from carbonslurm.errors import DataError
from matrix.outcome import Counts, Failed, Outcome, read_counts, read_failed, summary, to_try_again

REPORT = (
    '<?xml version="1.0"?><testsuites name="pytest tests">'
    '<testsuite name="pytest" errors="1" failures="2" skipped="3" tests="20" time="1.5"/></testsuites>'
)


def test_an_error_in_a_fixture_is_a_failure() -> None:
    assert read_counts(REPORT) == Counts(passed=14, failed=3, skipped=3)


@pytest.mark.parametrize("text", ["", "<testsuites>", '<testsuite tests="1"/>', REPORT.replace("20", "many")])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="pytest's report"):
        read_counts(text)


def test_no_failed_tests_are_read_from_what_is_no_report() -> None:
    with pytest.raises(DataError, match="pytest's report"):
        read_failed("<testsuites>")


def test_failed_tests_are_named_with_the_first_line_of_why() -> None:
    case = '<testcase classname="tests.slurm.test_x" name="test_{}">{}</testcase>'
    cases = (
        case.format("good", ""),
        case.format("bad", '<failure message="assert 1 == 2&#10;  more">where</failure>'),
        case.format("unset", '<error message="no slurmctld">where</error>'),
        case.format("left", '<skipped message="no scrontab"/>'),
    )
    assert read_failed(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>") == (
        Failed("tests/slurm/test_x.py::test_bad", "assert 1 == 2"),
        Failed("tests/slurm/test_x.py::test_unset", "no slurmctld"),
    )


def test_a_failed_test_is_one_line() -> None:
    assert str(Failed("tests/slurm/test_x.py::test_bad", "no")) == "tests/slurm/test_x.py::test_bad: no"


def test_a_few_failed_tests_are_tried_again_each_once() -> None:
    failed = [Failed("a", "no"), Failed("b", "no"), Failed("a", "could not be tidied up")]
    assert to_try_again(failed) == ("a", "b")


def test_where_many_failed_none_is_tried_again() -> None:
    assert to_try_again([Failed(f"test {number}", "no") for number in range(9)]) == ()


def test_an_outcome_is_one_line() -> None:
    outcome = Outcome("trixie", "24.11.5", "3.13.5", Counts(118, 0, 1), timedelta(seconds=470.4))
    assert outcome.good
    assert outcome.line() == (
        "trixie    Slurm 24.11.5  Python 3.13.5   118 passed, 0 failed, 1 skipped   7 min 50 s"
    )


def test_what_did_not_get_to_its_tests_says_why() -> None:
    outcome = Outcome("sid", trouble="debootstrap failed")
    assert not outcome.good
    assert outcome.line().endswith("0 passed, 0 failed, 0 skipped   0 min 0 s   debootstrap failed")


@pytest.mark.parametrize(
    ("outcome", "good"),
    [
        (Outcome("a", counts=Counts(passed=1)), True),
        (Outcome("a", counts=Counts(passed=1, skipped=9)), True),
        (Outcome("a", counts=Counts(passed=9, failed=1)), False),
        (Outcome("a", counts=Counts(passed=9), trouble="pytest ended with 3"), False),
        (Outcome("a", counts=Counts(skipped=9)), False),
        (Outcome("a"), False),
    ],
)
def test_only_tests_that_ran_and_passed_are_good(outcome: Outcome, *, good: bool) -> None:
    assert outcome.good is good


def test_the_summary_adds_up_alone_on_its_line() -> None:
    outcomes = [Outcome("a", counts=Counts(1, 2, 3)), Outcome("b", counts=Counts(10, 20, 30))]
    assert summary(outcomes) == "matrix: 11 passed, 22 failed, 33 skipped"
