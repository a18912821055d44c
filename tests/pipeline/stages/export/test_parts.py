"""Sizes: sums, resizing by repetition, tracing sizes that nothing can confuse."""

from dataclasses import dataclass

import pytest
import torch

from pipeline.errors import UsageError
from pipeline.records.tensors import SizeRange
from pipeline.stages.export.parts import (
    ExportPart,
    evaluate,
    example_sizes,
    free_names,
    name_outputs,
    resized,
)


@dataclass
class Answer:
    logits: torch.Tensor
    loss: torch.Tensor | None


def part(axes, dims, **inputs):
    return ExportPart("model", torch.nn.Identity(), inputs, axes, dims, ("y",))


def test_a_sum_of_sizes_is_evaluated():
    assert evaluate("past + seq", {"past": 3, "seq": 4}) == 7
    with pytest.raises(KeyError):
        evaluate("past + other", {"past": 3})


def test_resizing_repeats_values_and_cuts_to_nothing():
    made = part(
        {"ids": {1: "seq"}, "past": {0: "p"}},
        {"seq": SizeRange(1, 1, 9), "p": SizeRange(0, 1, 9)},
        ids=torch.tensor([[5, 6, 7]]),
        past=torch.zeros(0, 2),
    )
    grown = resized(made, {"seq": 7, "p": 4})
    assert grown["ids"].tolist() == [[5, 6, 7, 5, 6, 7, 5]]
    assert grown["past"].shape == (4, 2)
    assert resized(made, {"seq": 2, "p": 0})["past"].shape == (0, 2)


def test_tracing_sizes_differ_from_each_other_and_from_their_sums():
    dims = {name: SizeRange(0, 1, 99) for name in ("batch", "seq", "past")}
    made = part({"mask": {1: "past + seq"}}, dims, mask=torch.ones(2, 3))
    sizes = example_sizes(made)
    values = [*sizes.values(), sizes["past"] + sizes["seq"]]
    assert len(set(values)) == 4
    assert min(values) >= 2


def test_a_size_without_room_is_refused():
    with pytest.raises(UsageError, match="may only be"):
        example_sizes(part({}, {"batch": SizeRange(1, 1, 1)}))


def test_an_output_named_like_an_input_is_renamed():
    assert free_names(["x", "y", "y"], ["x"]) == ("x_out", "y", "y_out")


def test_outputs_are_named_by_field_key_and_position():
    x = torch.zeros(1)
    nested = {"a": x, "b": (x, None, [x]), "c": Answer(x, None)}
    assert [name for name, _ in name_outputs(nested)] == ["a", "b.0", "b.2.0", "c.logits"]
    assert [name for name, _ in name_outputs((x, x))] == ["output_0", "output_1"]
    assert name_outputs(x)[0][0] == "output"
    with pytest.raises(UsageError, match="returns a int"):
        name_outputs((x, 3))
