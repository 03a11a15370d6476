"""The interpreter stops the loop for no long time: no collection examines the objects of every session."""

from __future__ import annotations

import gc
import sys
import weakref
from contextlib import ExitStack
from urllib.request import urlopen

import pytest

from tests.conftest import ROOT, serving
from tests.raw import TIMEOUT_S, Raw, call
from weather.serving.interpreter import SWITCH_S, tune_collector, tune_interpreter

SESSIONS, MOST_EXAMINED = 500, 60_000  # of about 470 objects each


def examined(server):
    with urlopen(f"{server.http}/examined", timeout=TIMEOUT_S) as answer:
        return int(answer.read())


def test_no_collection_examines_the_sessions_of_a_crowd(tmp_path):
    application = "tests.serving.examined:app"
    with serving(tmp_path, application=application, PYTHONPATH=str(ROOT)) as server:
        with Raw(server.port) as raw:  # waits until the SDK is imported
            raw.initialize().ask("tools/call", call(1, state="Nowhere")["params"])
        examined(server)
        with ExitStack() as stack:
            for _ in range(SESSIONS):
                raw = stack.enter_context(Raw(server.port)).initialize()
                assert raw.ask("tools/call", call(1, state="Nowhere")["params"])["result"]["isError"]
            assert 0 < examined(server) < MOST_EXAMINED
        assert examined(server) < MOST_EXAMINED


@pytest.fixture
def thresholds():
    before = gc.get_threshold()
    gc.disable()
    yield
    gc.enable()
    gc.set_threshold(*before)


def test_a_full_collection_is_due_again_once_few_of_a_crowd_are_left(thresholds):
    found = []
    for connections in (0, 10, 2000, 1000, 51, 50, 51):
        tune_collector(connections)
        found.append(gc.get_threshold()[2])
    assert found == [30, 30, 166, 166, 166, 30, 30]


def test_what_a_crowd_has_left_in_cycles_is_freed_once_few_of_it_are_left(thresholds):
    class Left:
        pass

    tune_collector(2000)
    left = Left()
    left.itself, freed = left, weakref.ref(left)
    del left
    tune_collector(51)
    assert freed()
    tune_collector(50)
    assert not freed()


def test_other_threads_give_the_interpreter_back_soon(thresholds):
    before = sys.getswitchinterval()
    try:
        tune_interpreter()
        assert sys.getswitchinterval() == pytest.approx(SWITCH_S) == 0.0005
    finally:
        sys.setswitchinterval(before)
        gc.unfreeze()
