"""What a function returns becomes a part: names, axes, ranges, outputs."""

import pytest
import torch
from torch import nn

from pipeline.errors import UsageError
from pipeline.records.tensors import SizeRange
from pipeline.stages.export.user_parts import guess_axes, user_part


class Net(nn.Module):
    def forward(self, x, mask=None):
        return {"sum": x.sum(-1), "kept": x if mask is None else x * mask[..., None], "none": None}


X, MASK = torch.ones(2, 7, 4), torch.ones(2, 7, dtype=torch.bool)


def test_positional_inputs_take_the_names_of_forward():
    part = user_part((Net(), (X, MASK)), "here")
    assert list(part.inputs) == ["x", "mask"]
    assert part.outputs == ("sum", "kept")
    assert part.axes == {"x": {0: "batch", 1: "length"}, "mask": {0: "batch", 1: "length"}}
    result = part.module(X, MASK)
    assert torch.equal(result[1], X)


def test_sizes_that_differ_get_names_of_their_own():
    ids = torch.ones(2, 5, dtype=torch.int64)
    image, table = torch.ones(2, 3, 8, 8), torch.ones(9, 4)
    (axes,) = guess_axes({"x": X, "ids": ids, "image": image, "table": table})
    assert axes == {
        "x": {0: "batch", 1: "length"},
        "ids": {0: "batch", 1: "ids_length"},
        "image": {0: "batch"},
        "table": {},
    }


def test_declared_axes_and_ranges_win():
    part = user_part((Net(), {"x": X}, {"x": {1: "time"}}, {"time": (3, 5, 9)}), "here")
    assert part.axes == {"x": {1: "time"}}
    assert part.dims == {"time": SizeRange(3, 5, 9)}


class Writes(nn.Module):
    def forward(self, x, mask):
        x += 1
        return x * mask[..., None]


def test_an_argument_that_is_written_into_is_copied_first():
    x = torch.zeros(2, 7, 4)
    part = user_part((Writes(), {"x": x, "mask": MASK}), "here")
    assert part.module.written == {0}
    for _ in range(2):
        assert torch.equal(part.module(x, MASK)[0], torch.ones(2, 7, 4))
    assert not x.any()


class Batch(nn.Module):
    def forward(self, batch, *more, scale=1.0):
        return batch["x"] * batch["mask"][..., None] * scale + sum(more)


def test_nested_inputs_have_dotted_names_and_numbers_are_told():
    x, mask = torch.randn(2, 7, 4), torch.ones(2, 7, dtype=torch.bool)
    part = user_part((Batch(), {"batch": {"x": x, "mask": mask}, "scale": 3.0}), "here")
    assert list(part.inputs) == ["batch.x", "batch.mask"]
    assert part.fixed == {"scale": "3.0"}
    assert torch.equal(part.module(x, ~mask)[0], torch.zeros_like(x))
    assert torch.equal(part.module(x, mask)[0], x * 3)


def test_further_positions_take_the_name_of_the_rest():
    part = user_part((Batch(), ({"x": X, "mask": MASK}, X, X)), "here")
    assert list(part.inputs) == ["batch.x", "batch.mask", "more.0", "more.1"]
    assert torch.equal(part.module(X, MASK, X, 2 * X)[0], 4 * X)


def test_a_mask_of_floats_has_the_length_that_its_model_needs():
    part = user_part((Batch(), ({"x": X, "mask": MASK.float()},)), "here")
    assert part.axes["batch.mask"] == {0: "batch", 1: "length"}
    fixed = user_part((nn.Bilinear(4, 7, 3), (torch.ones(2, 4), torch.ones(2, 7))), "here")
    assert fixed.axes == {"input1": {0: "batch"}, "input2": {0: "batch"}}


def test_a_lazy_module_has_its_weights_once_it_was_called():
    part = user_part((nn.LazyLinear(3), (X,)), "here")
    assert [tuple(p.shape) for p in part.module.parameters()] == [(3, 4), (3,)]
    assert not any(p.requires_grad for p in part.module.parameters())


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (3, "returned a int"),
        ((Net(),), "returned a tuple"),
        ((3, X), "is a int, not a torch.nn.Module"),
        ((Net(), {"x": nn}), "no tensors: x"),
        ((Net(), {"x": 3}), "none given"),
        ((Net(), (X, X, X)), "3 inputs for a forward of 2"),
        ((Net(), {"x": X}, {"y": {0: "batch"}}), "declared for 'y'"),
        ((Net(), {"x": X}, {"x": {7: "batch"}}), "7 is not one"),
        ((Net(), {"x": X}, {"x": {0: "n"}}, {"n": (5, 2, 3)}), "the range of n"),
        ((nn.Linear(9, 9), (X,)), "fails on its own example"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_anything_else_is_refused(value, says):
    with pytest.raises(UsageError, match=says):
        user_part(value, "here")
