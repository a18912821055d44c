"""Failures of exporters are told in the user's names, with what forward() does."""

import pytest
import torch
from torch import nn

from pipeline.errors import ExportError, ValueBranchError
from pipeline.stages.export.messages import export_error, in_our_words
from pipeline.stages.export.parts import ExportPart, SizeRange


@pytest.fixture
def part():
    inputs, axes = {"x": torch.randn(2, 3, 32)}, {"x": {0: "batch", 1: "seq"}}
    dims = {"batch": SizeRange(1, 2, 8), "seq": SizeRange(1, 4, 32)}
    return ExportPart("model", nn.Identity(), inputs, axes, dims, ("y",))


def test_sizes_are_called_by_their_names(part):
    error = RuntimeError("Constraints of (L['tensors'][0].size()[1], L['tensors'][0].size()[2])!")
    assert in_our_words(error, part) == "RuntimeError: Constraints of (seq, x axis 2)!"


def test_a_size_that_became_a_number_is_named_once(part):
    size = "L['tensors'][0].size()[1]"
    line = f"You marked {size} as dynamic but your code specialized it to be a constant (3). "
    said = in_our_words(RuntimeError(f"Constraints violated ({size})!\n - {line}\n - {line}"), part)
    assert said.startswith("forward() needs seq to be 3: it loops over that size")


def test_a_decision_by_values_is_found_behind_other_errors_and_shown(part):
    root = RuntimeError(
        "Could not guard on data-dependent expression Eq(u0, 1)\n"
        'The following call raised this error:\n  File "my.py", line 9, in forward\n'
        "    if mask.all():\n"
    )
    outer = RuntimeError("Failed to export the model")
    outer.__cause__ = root
    found = export_error(outer, part, "dynamo")
    assert isinstance(found, ValueBranchError)
    assert found.what == "forward() decides by a value (my.py:9: if mask.all():)"
    assert "torch.cond" in found.fix
    assert not isinstance(export_error(RuntimeError("other"), part, "dynamo"), ValueBranchError)
    assert isinstance(export_error(RuntimeError("other"), part, "dynamo"), ExportError)
