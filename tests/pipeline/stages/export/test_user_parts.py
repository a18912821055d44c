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
    axes = guess_axes({"x": X, "ids": ids, "image": image, "table": table})
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
    assert part.module.written == {"x"}
    for _ in range(2):
        assert torch.equal(part.module(x, MASK)[0], torch.ones(2, 7, 4))
    assert not x.any()


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
        ((Net(), {"x": 3}), "no tensors: x"),
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
