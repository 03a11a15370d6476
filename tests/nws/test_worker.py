"""Long functions run in a thread, one at a time."""

import threading

import anyio
import pytest

from tests.raw import TIMEOUT_S
from weather.nws.worker import Worker

pytestmark = pytest.mark.anyio


def thread(_):
    return threading.current_thread()


@pytest.mark.parametrize("long", [False, True])
async def test_a_long_function_runs_in_a_thread(long):
    assert (await Worker().run(thread, None, long=long) is not threading.current_thread()) == long


async def test_one_function_runs_at_a_time_and_the_loop_goes_on():
    worker, running, most, gate = Worker(), 0, 0, threading.Event()

    def wait(_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        assert gate.wait(TIMEOUT_S)
        running -= 1

    with anyio.fail_after(TIMEOUT_S):
        async with anyio.create_task_group() as callers:
            for _ in range(5):
                callers.start_soon(lambda: worker.run(wait, None, long=True))
            while not running:
                await anyio.lowlevel.checkpoint()
            gate.set()
    assert (most, running) == (1, 0)
