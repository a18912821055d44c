"""A fixed buffer computes what a growing cache does, and the graph writes it by TensorScatter."""

import onnx_ir as ir
import pytest
import torch
import transformers

from pipeline.errors import ExportError, UsageError
from pipeline.stages.export.core import export_parts
from pipeline.stages.export.hf_parts import decoder_part, model_parts
from pipeline.stages.export.static_cache import StaticDecoder, mask_windows
from pipeline.types import SILENT


@pytest.fixture(scope="module")
def llama(checkpoints):
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoints("llama"))
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_steps_into_the_buffer_equal_one_long_call(llama, attention):
    llama.set_attn_implementation(attention)
    ids = torch.randint(3, 60, (2, 7), generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[1] * 7, [0, 0] + [1] * 5])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    wanted = llama(input_ids=ids, attention_mask=mask, position_ids=positions).logits
    step, capacity = StaticDecoder(llama), 16
    buffers = [torch.full((2, 2, capacity, 8), 9.0) for _ in range(4)]  # old contents: unseen
    whole = torch.zeros(2, capacity, dtype=torch.int64)
    whole[:, :7] = mask
    got, at = [], 0
    for length in (4, 1, 2):
        new = slice(at, at + length)
        written = torch.tensor([at, at])
        out = step(ids[:, new], whole, positions[:, new], written, *buffers)
        got, buffers, at = [*got, out[0]], list(out[1:]), at + length
    seen = mask.bool()
    torch.testing.assert_close(  # float32 over two layers; the padded rows see nothing real
        torch.cat(got, 1)[seen], wanted[seen], rtol=0, atol=2e-5
    )


def test_the_graph_scatters_and_keeps_the_capacity(llama, tmp_path):
    llama.set_attn_implementation("sdpa")
    (part,) = model_parts(llama, "text-generation", "static", 24)
    result = export_parts([part], tmp_path, "dynamo", 24, SILENT)
    model = ir.load(tmp_path / "model.exported.onnx")
    assert sum(node.op_type == "TensorScatter" for node in model.graph) == 4
    assert result.parts["model"].cache_capacity == 24
    shapes = {v.name: list(v.shape) for v in result.parts["model"].outputs}
    assert shapes["present.1.value"] == ["batch", 2, 24, 8]


def test_windows_follow_the_kinds_of_layers():
    class Config:
        sliding_window = 6

    assert mask_windows(Config()) == {"only": 6}
    Config.layer_types = ["full_attention", "sliding_attention"] * 2
    assert mask_windows(Config()) == {"full_attention": None, "sliding_attention": 6}
    Config.layer_types, Config.use_sliding_window = [], False
    assert mask_windows(Config()) == {"only": None}


def test_a_capacity_beyond_the_positions_is_refused(llama):
    with pytest.raises(UsageError, match="exceeds the model's 64 positions"):
        model_parts(llama, "text-generation", "static", 65)


def test_a_model_that_counts_for_itself_is_refused(llama, monkeypatch):
    part = decoder_part(llama)
    monkeypatch.setattr(
        "pipeline.stages.export.static_cache.parameters", lambda model: {"input_ids"}
    )
    from pipeline.stages.export.static_cache import static_decoder_part

    with pytest.raises(ExportError, match="takes no position_ids"):
        static_decoder_part(llama, part, None)
