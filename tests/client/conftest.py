"""`weather-client` as a function."""

import anyio
import pytest

from weather.client import main


@pytest.fixture
def cli(capsys):
    async def run(*argv):
        """Exit code, what was printed, and what was printed on stderr."""
        code = await anyio.to_thread.run_sync(main, argv, abandon_on_cancel=True)
        return code, *capsys.readouterr()

    return run
