"""The text of reports/golden is blind to names and order, and to nothing else."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import onnx
import pytest
from onnx import helper

from tests.reports.golden_changes import (
    DIFFERENT,
    SAME,
    Change,
    build,
    copy_one_constant,
    node_of,
    rename_everything,
    share_one_constant,
    store_otherwise,
)

_FILE = Path(__file__).parents[2] / "reports" / "golden" / "canonical.py"
_SPEC = importlib.util.spec_from_file_location("golden_canonical", _FILE)
assert _SPEC
assert _SPEC.loader
canonical = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(canonical)


@pytest.mark.parametrize("change", SAME, ids=lambda change: change.__name__)
def test_names_order_and_storage_do_not_matter(change: Change):
    model, other = build(), build()
    change(other)
    assert other != model
    assert canonical.canonical_text(other) == canonical.canonical_text(model)
    assert canonical.digest(other) == canonical.digest(model)


@pytest.mark.parametrize("change", DIFFERENT)
def test_everything_else_does(change: str):
    other = build()
    DIFFERENT[change](other)
    assert canonical.digest(other) != canonical.digest(build())


def test_a_shared_constant_differs_from_two_equal_ones():
    shared, copied = build(), build()
    share_one_constant(shared)
    copy_one_constant(copied)
    assert canonical.digest(shared) != canonical.digest(copied)


def test_values_of_a_body_are_never_taken_for_those_around_it():
    outer = [helper.make_node("Exp", [f"o{i}" if i else "x"], [f"o{i + 1}"]) for i in range(6)]
    inner = [helper.make_node("Neg", [f"i{i}" if i else "x"], [f"i{i + 1}"]) for i in range(6)]
    x, y, on = (helper.make_tensor_value_info(n, t, []) for n, t in (("x", 1), ("y", 1), ("on", 9)))
    found = set()
    for name in (f"{kind}{i}" for kind in "io" for i in range(1, 7)):
        sums = [helper.make_node("Sum", [*(f"o{i}" for i in range(1, 7)), "i6", name], ["y"])]
        body = helper.make_graph([*inner, *sums], "body", [], [y])
        branches = {"then_branch": body, "else_branch": body}
        nodes = [*outer, helper.make_node("If", ["on"], ["y"], **branches)]
        model = helper.make_model(helper.make_graph(nodes, "g", [x, on], [y]))
        onnx.checker.check_model(model)
        found.add(canonical.digest(model))
    assert len(found) == 12


def test_types_of_inner_values_count_only_when_asked_for():
    plain, told = build(), build()
    told.graph.value_info[0].type.tensor_type.shape.dim[1].dim_value = 4
    assert canonical.digest(plain) == canonical.digest(told)
    assert canonical.digest(plain, types=True) != canonical.digest(told, types=True)
    rename_everything(plain)
    assert canonical.digest(plain, types=True) == canonical.digest(build(), types=True)


def test_weights_in_a_data_file_are_read(tmp_path):
    model = build()
    store_otherwise(model)  # only raw data goes into a file
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data",
              size_threshold=0)  # fmt: skip
    assert (tmp_path / "m.data").stat().st_size
    assert canonical.digest(onnx.load(tmp_path / "m.onnx")) == canonical.digest(build())


def test_order_of_what_no_output_needs_does_not_matter():
    one, other = build(), build()
    made = [helper.make_node(kind, ["x"], [kind]) for kind in ("Sin", "Cos", "Tan")]
    one.graph.node.extend(made)
    other.graph.node.extend(reversed(made))
    assert canonical.digest(one) == canonical.digest(other)


def test_a_cycle_is_an_error_and_a_deep_graph_is_none():
    model = build()
    node_of(model, "shared").input[0] = "soft"
    with pytest.raises(ValueError, match="cycle"):
        canonical.digest(model)
    names = [f"v{i}" for i in range(3000)]
    chain = [helper.make_node("Exp", [a], [b]) for a, b in itertools.pairwise(names)]
    x, y = (helper.make_tensor_value_info(n, 1, [1]) for n in (names[0], names[-1]))
    graph = helper.make_graph(chain, "deep", [x], [y])
    assert canonical.canonical_text(helper.make_model(graph)).count("Exp") == 2999
