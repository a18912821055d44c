"""Seeded weights: repeatable, independent of order; given ones: complete, of the right shape."""

import pytest
import torch
from torch import nn

from models.errors import ModelError
from models.weights import build_empty, fill, fill_seeded, seeded_tensor


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.norm = nn.Linear(4, 3), nn.LayerNorm(3)


def test_a_seed_decides_and_the_name_too():
    like = torch.empty(3, 4)
    one, again = (seeded_tensor("a.weight", like, 1, torch.float32) for _ in range(2))
    assert torch.equal(one, again)
    assert not torch.equal(one, seeded_tensor("a.weight", like, 2, torch.float32))
    assert not torch.equal(one, seeded_tensor("b.weight", like, 1, torch.float32))


def test_empty_costs_no_memory_and_fills_alike():
    empty = build_empty(Small)
    assert all(parameter.is_meta for parameter in empty.parameters())
    filled, direct = fill_seeded(empty, 5), fill_seeded(Small(), 5)
    for name, parameter in filled.named_parameters():
        assert torch.equal(parameter, direct.get_parameter(name))
        assert not parameter.requires_grad
    assert not filled.training


def test_norm_scales_and_biases_are_not_trivial():
    """So that a rewrite which drops one of them changes the output."""
    model = fill_seeded(Small(), 0)
    assert (model.norm.weight != 1).all()
    assert (model.norm.bias != 0).all()
    assert (model.norm.weight - 1).abs().max() < 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("norm.bias"), r"1 weights are missing \(norm\.bias\)"),
        (lambda w: w.update(extra=torch.ones(1)), r"1 are unknown \(extra\)"),
        (lambda w: w.update({"norm.bias": torch.ones(9)}), r"norm\.bias has shape \[9\]"),
    ],
    ids=["missing", "extra", "shape"],
)
def test_weights_that_do_not_fit_are_refused(change, message):
    weights = {name: p.detach() for name, p in Small().named_parameters()}
    change(weights)
    with pytest.raises(ModelError, match=message):
        fill(build_empty(Small), weights, where="here")


def test_weights_are_given():
    weights = {name: torch.full_like(p, 0.5) for name, p in Small().named_parameters()}
    model = fill(build_empty(Small), weights, where="here")
    assert all((parameter == 0.5).all() for parameter in model.parameters())
