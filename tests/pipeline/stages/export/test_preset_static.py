"""Our decoders over a fixed buffer say what they say over a growing cache."""

import pytest
import torch

from models.presets import PRESETS
from pipeline.errors import UsageError
from pipeline.stages.export.load import _from_preset
from pipeline.stages.export.preset_static import static_part

CAPACITY = 16


def decoder(name):
    preset = PRESETS[name]
    (part,) = preset.parts(preset.build(0)).values()
    return _from_preset("model", part)


@pytest.mark.parametrize(
    "name", ["llama-tiny", "gpt2-tiny", "baichuan-tiny", "baichuan-alibi-tiny"]
)
def test_steps_into_the_buffer_equal_one_long_call(name):
    growing = decoder(name)
    static = static_part(growing, CAPACITY)
    assert static.capacity == CAPACITY
    ids = torch.randint(3, 90, (2, 7), generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[1] * 7, [0, 0] + [1] * 5])
    plain = {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": (mask.cumsum(-1) - 1).clamp(min=0),
    }
    plain = {key: value for key, value in plain.items() if key in growing.inputs}
    empty = [t[:2, :, :0] for n, t in growing.inputs.items() if "past" in n]
    wanted = growing.module(*plain.values(), *empty)[0]
    whole = torch.zeros(2, CAPACITY, dtype=torch.int64)
    whole[:, :7] = mask
    buffers = [torch.full_like(t[:2], 9.0) for n, t in static.inputs.items() if "past" in n]
    got, at = [], 0
    for length in (4, 1, 2):
        new = {key: value[:, at : at + length] for key, value in plain.items()}
        new["attention_mask"] = whole
        out = static.module(*new.values(), torch.tensor([at, at]), *buffers)
        got, buffers, at = [*got, out[0]], list(out[1:]), at + length
    assert [tuple(b.shape)[2] for b in buffers] == [CAPACITY] * len(buffers)
    seen = mask.bool()
    torch.testing.assert_close(  # float32 over two layers; padded rows see nothing real
        torch.cat(got, 1)[seen], wanted[seen], rtol=0, atol=3e-5
    )


def test_hooks_do_not_stay():
    part = static_part(decoder("llama-tiny"), CAPACITY)
    part.module(*part.inputs.values())
    assert not any(module._forward_pre_hooks for module in part.module.modules())


def test_what_cannot_be_static_is_refused():
    preset = PRESETS["transformer-tiny"]
    parts = preset.parts(preset.build(0))
    for name, part in parts.items():
        with pytest.raises(UsageError, match="decoders that generate text"):
            static_part(_from_preset(name, part), None)
    with pytest.raises(UsageError, match="exceeds the model's 64 positions"):
        static_part(decoder("llama-tiny"), 65)
