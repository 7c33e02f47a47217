"""Who acts: asked each time, and said once."""

import logging
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from carbonslurm.app.turn import Turn
from carbonslurm.errors import LedgerError, UnavailableError
from carbonslurm.ledger.writing import Ledger


@dataclass
class Answers:
    """A lease that gives these answers, one after the other."""

    answers: list[bool | str] = field(default_factory=list)

    def held(self) -> bool:
        answer = self.answers.pop(0)
        if isinstance(answer, str):
            raise LedgerError(answer)
        return answer

    def holder(self) -> str:
        return "carbonslurmd (process 7 on ctl)"

    def let_go(self) -> None:
        pass


def test_what_keeps_us_waiting_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    turn = Turn(Answers([False, False, "ledger x: gone", "ledger x: gone", False, True, True]))
    assert [turn.ours() for _ in range(7)] == [False, False, False, False, False, True, True]
    waiting = "nothing is done: carbonslurmd (process 7 on ctl) acts on this cluster, we wait"
    assert caplog.messages == [waiting, "nothing is done: ledger x: gone", waiting, "this daemon acts now"]


def test_a_daemon_that_is_alone_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert Turn(Answers([True])).ours()
    assert caplog.messages == []


def test_a_lease_that_is_lost_in_the_middle_of_a_cycle_ends_it(world: Any) -> None:
    """Ours when the cycle began and when the job was noted, another's before the intent."""
    world.forecast(300, 100)
    job = world.submit()
    planned = world.job(job).begin
    lease = Answers([True, True, *[False] * 9])
    with Ledger.open(world.path, cluster="toy", lease=lease) as book:
        theirs = replace(world, ledger=book)
        with pytest.raises(UnavailableError, match="has taken over: nothing is written"):
            theirs.cycle()
    assert lease.answers != [False] * 9
    assert world.actions() == []
    assert world.job(job).begin == planned
    world.cycle()
    assert world.verbs(job) == ["withhold"]
