"""Parts: names and orders of the contract, and the same numbers as the model itself."""

from inspect import Parameter, signature

import pytest
import torch

from models.families import parts
from models.parts import cache_names, flatten, pairs
from models.presets import PRESETS

TINY = [name for name in PRESETS if name.endswith("tiny")]
ALL = [
    pytest.param(PRESETS[name].build(), part, id=f"{name}-{part}")
    for name in TINY
    for part in parts(PRESETS[name].build())
]
DIMS = {"batch": 2, "source": 6, "target": 3, "sequence": 3, "past": 0}


def size_of(name):
    return sum(DIMS[word] for word in name.split(" + "))


@pytest.mark.parametrize(("model", "name"), ALL)
def test_names_axes_and_dims_agree(model, name):
    part = parts(model)[name]
    parameters = signature(part.module.forward).parameters.values()
    fixed = [p.name for p in parameters if p.kind is not Parameter.VAR_POSITIONAL]
    assert list(part.example_inputs)[: len(fixed)] == fixed
    outputs = part.module(*part.example_inputs.values())
    assert len(outputs) == len(part.output_names)
    assert part.dynamic_axes.keys() == {*part.example_inputs, *part.output_names}
    named = {
        d for axes in part.dynamic_axes.values() for dim in axes.values() for d in dim.split(" + ")
    }
    assert named == part.dims.keys()
    assert all(low <= typical <= high for low, typical, high in part.dims.values())


@pytest.mark.parametrize(("model", "name"), ALL)
def test_outputs_have_the_shapes_their_axes_promise(model, name):
    """At sizes that are not the example's, and with nothing cached."""
    part = parts(model)[name]
    inputs = []
    for key, example in part.example_inputs.items():
        axes = part.dynamic_axes[key]
        shape = [size_of(axes[i]) if i in axes else n for i, n in enumerate(example.shape)]
        inputs.append(torch.ones(shape, dtype=example.dtype))
    for key, output in zip(part.output_names, part.module(*inputs), strict=True):
        for axis, dim in part.dynamic_axes[key].items():
            assert output.shape[axis] == size_of(dim), (key, axis)


def test_example_sizes_are_all_different_and_above_one():
    """Or an exporter could not tell one dimension from another, or would bake in a 1."""
    for model, name in (param.values for param in ALL):
        part = parts(model)[name]
        sizes = {}
        for key, example in part.example_inputs.items():
            for axis, dim in part.dynamic_axes[key].items():
                assert sizes.setdefault(dim, example.shape[axis]) == example.shape[axis]
        assert len(set(sizes.values())) == len(sizes), (name, sizes)
        assert min(sizes.values()) > 1


def test_encoder_then_decoder_is_the_model():
    model = PRESETS["transformer-tiny"].build()
    both = parts(model)
    source, mask = both["encoder"].example_inputs.values()
    target = both["decoder"].example_inputs["input_ids"]
    _, *cross = both["encoder"].module(source, mask)
    past = flatten(model.empty_cache(3))
    logits, *present = both["decoder"].module(target, mask, *past, *cross)
    torch.testing.assert_close(logits, model(source, mask, target))
    assert len(pairs(present)) == model.config.layers


def test_cache_names():
    assert cache_names("present", 2) == [
        "present.0.key", "present.0.value", "present.1.key", "present.1.value",
    ]  # fmt: skip
