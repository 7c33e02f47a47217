"""The providers as the conformance suite plays them (tests/parts/played), and the moment of playing."""

from datetime import datetime

import pytest
from played import PLAYED
from played.shape import NOW, Played


@pytest.fixture(scope="module", params=PLAYED, ids=lambda played: played.name)
def played(request: pytest.FixtureRequest) -> Played:
    param: Played = request.param
    return param


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW
