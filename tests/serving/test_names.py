"""Every name of hypercorn that the subclasses use stands in a table, and the start checks it."""

import ast
import inspect
import re

import pytest

from tests.conftest import ROOT
from weather.serving import names

MODULES = ("connection", "http1", "ready", "websocket")
SOURCES = "".join((ROOT / "weather" / "serving" / f"{name}.py").read_text() for name in MODULES)


def attributes(cls):
    """Those of `self` that a class uses, but for what it sets or defines itself."""
    nodes = [node for node in ast.walk(ast.parse(inspect.getsource(cls))) if isinstance(node, ast.Attribute)]
    nodes = [node for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "self"]
    own = {node.attr for node in nodes if isinstance(node.ctx, ast.Store)}
    return {node.attr for node in nodes} - own - set(vars(cls))


@pytest.mark.parametrize(("theirs", "ours"), [row[2:] for row in names.REPLACED], ids=lambda cls: cls.__name__)
def test_every_attribute_that_is_used_is_in_the_table(theirs, ours):
    assert attributes(ours) <= set(names.USED.get(theirs, "").split())


@pytest.mark.parametrize("theirs", names.USED, ids=lambda cls: cls.__name__)
def test_the_table_has_no_more_than_is_used(theirs):
    for name in names.USED[theirs].split():
        assert re.search(rf"\.{name}\b", SOURCES), name


def test_nothing_has_changed():
    assert names.first_change() is None
