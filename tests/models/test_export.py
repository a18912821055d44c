"""Every part goes through torch's exporter with its dimensions dynamic, past length 0 included."""

from inspect import Parameter, signature

import numpy as np
import pytest
import torch

from models.families import parts
from models.presets import PRESETS

pytestmark = [
    pytest.mark.slow,
    # The exporter's own use of what torch deprecates; nothing a caller can change.
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]
# Rounding through two layers in another order of operations; a baked dimension fails to run.
TOLERANCE = 3e-5
DIMS = {"batch": 2, "source": 6, "target": 3, "sequence": 3, "past": 0}
PARTS = [
    pytest.param(name, part, id=f"{name}-{part}")
    for name in PRESETS
    if name.endswith("tiny")
    for part in (("encoder", "decoder") if name.startswith("transformer") else ("model",))
]


def dynamic_shapes(part):
    axes = [
        dict.fromkeys(part.dynamic_axes[name], torch.export.Dim.DYNAMIC)
        for name in part.example_inputs
    ]
    kinds = [p.kind for p in signature(part.module.forward).parameters.values()]
    if kinds[-1] is Parameter.VAR_POSITIONAL:
        return (*axes[: len(kinds) - 1], tuple(axes[len(kinds) - 1 :]))
    return tuple(axes)


def fresh_inputs(part):
    """Return inputs of other sizes than the example's."""
    noise = torch.Generator().manual_seed(2)
    feeds = {}
    for name, example in part.example_inputs.items():
        axes = part.dynamic_axes[name]
        shape = [
            sum(DIMS[word] for word in axes[i].split(" + ")) if i in axes else n
            for i, n in enumerate(example.shape)
        ]
        if example.dtype == torch.int64:
            feeds[name] = torch.ones(shape, dtype=torch.int64)
        else:
            feeds[name] = torch.randn(shape, generator=noise)
    return feeds


@pytest.mark.parametrize(("name", "part_name"), PARTS)
def test_exported_graph_computes_the_same_at_other_sizes(name, part_name, tmp_path):
    ort = pytest.importorskip("onnxruntime")
    part = parts(PRESETS[name].build())[part_name]
    program = torch.onnx.export(
        part.module, tuple(part.example_inputs.values()), dynamo=True, opset_version=18,
        dynamic_shapes=dynamic_shapes(part), input_names=list(part.example_inputs),
        output_names=list(part.output_names), verbose=False,
    )  # fmt: skip
    program.save(tmp_path / "m.onnx")
    session = ort.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    for feeds in (part.example_inputs, fresh_inputs(part)):
        expected = part.module(*feeds.values())
        got = session.run(None, {key: value.numpy() for key, value in feeds.items()})
        for ours, theirs in zip(expected, got, strict=True):
            np.testing.assert_allclose(theirs, ours.numpy(), atol=TOLERANCE, rtol=0)
