"""A gate in front of the Weather Service, for what is to be seen while calls are at work."""

import pytest

from tests.raw import gated


@pytest.fixture(scope="module")
def gate():
    """Shut at first; `settings` are those of a server that asks there."""
    with gated() as (gate, settings):
        gate.settings = settings
        yield gate
