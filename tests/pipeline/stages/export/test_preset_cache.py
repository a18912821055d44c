"""A decoder stripped of its cache gives the logits of an empty past."""

import torch

from models.presets import PRESETS
from pipeline.stages.export.load import _from_preset
from pipeline.stages.export.preset_cache import without_cache


def test_logits_equal_those_over_an_empty_past():
    preset = PRESETS["transformer-tiny"]
    parts = preset.parts(preset.build(0))
    decoder = _from_preset("decoder", parts["decoder"])
    plain = without_cache(decoder)
    assert list(plain.inputs) == [name for name in decoder.inputs if "past" not in name]
    assert plain.outputs == ("logits",)
    assert "past" not in plain.dims
    empty = {n: t[:, :, :0] if "past" in n else t for n, t in decoder.inputs.items()}
    wanted = decoder.module(*empty.values())[0]
    assert torch.equal(plain.module(*plain.inputs.values())[0], wanted)
