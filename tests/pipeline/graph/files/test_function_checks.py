"""Files that stand for more nodes than they hold."""

import time

import pytest

from pipeline.errors import BadModelError
from pipeline.graph.files import function_checks
from pipeline.graph.files.function_checks import check_size
from tests.pipeline import hostile_files as hostile


@pytest.mark.parametrize("depth", [40, 2000])
def test_functions_that_double_are_counted_not_written_out(tmp_path, depth):
    model = hostile.deep_functions(depth)
    started = time.perf_counter()
    with pytest.raises(BadModelError, match="functions are written out"):
        check_size(model, tmp_path)
    assert time.perf_counter() - started < 5


def test_a_few_doublings_pass(tmp_path):
    check_size(hostile.deep_functions(10), tmp_path)


def test_the_count_is_exact_and_sees_bodies(tmp_path, monkeypatch):
    monkeypatch.setattr(function_checks, "MAX_NODES", 9)
    with pytest.raises(BadModelError, match="has 17 nodes once"):  # MatMul and 2 ** 4 Relu
        check_size(hostile.deep_functions(4), tmp_path)


def test_a_function_that_calls_itself(tmp_path):
    with pytest.raises(BadModelError, match="calls itself"):
        check_size(hostile.endless_function(), tmp_path)


def test_many_nodes(tmp_path, monkeypatch):
    monkeypatch.setattr(function_checks, "MAX_NODES", 50)
    check_size(hostile.long_chain(50), tmp_path)
    with pytest.raises(BadModelError, match=r"51 nodes, more than 50"):
        check_size(hostile.long_chain(51), tmp_path)
