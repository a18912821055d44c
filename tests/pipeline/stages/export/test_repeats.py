"""A module that answers differently the second time is refused, with the place where it begins."""

import pytest
import torch
from torch import nn

from pipeline.errors import BadModelError
from pipeline.stages.export.parts import example_sizes
from pipeline.stages.export.prove import compute_probe
from pipeline.stages.export.repeats import require_repeatable
from pipeline.stages.export.user_parts import user_part

X = {"input": torch.arange(24.0).reshape(2, 3, 4)}


class Drops(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, input):
        return nn.functional.dropout(self.linear(input), 0.5)


class Counts(nn.Module):
    calls = 0

    def forward(self, input):
        self.calls += 1
        return {"same": input, "counted": input + self.calls}


class Nan(nn.Module):
    def forward(self, input):
        return torch.sqrt(-input)


def check(module):
    part = user_part((module, X), "here")
    sizes = example_sizes(part)
    require_repeatable(part, sizes, compute_probe(part, sizes).outputs)


def test_dropout_by_function_is_named_with_its_module():
    with pytest.raises(BadModelError, match=r"does not repeat itself.*another output") as caught:
        check(nn.Sequential(nn.Linear(4, 4), Drops(), nn.ReLU()))
    assert caught.value.where == "1 (Drops)"
    assert "dropout" in caught.value.fix


def test_a_counter_is_told_from_random_numbers_and_names_the_output_that_changes():
    with pytest.raises(BadModelError, match="another counted\n") as caught:
        check(Counts())
    assert caught.value.where == "the model itself (Counts)"
    assert "counter" in caught.value.fix


@pytest.mark.parametrize(
    "module", [nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)), Nan()], ids=["dropout", "nan"]
)
def test_what_repeats_itself_passes(module):
    check(module)
