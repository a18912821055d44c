"""Llama against transformers' own, from the same tiny random checkpoint."""

import pytest
import torch

from models.errors import ModelError
from models.llama import LlamaConfig
from models.presets import PRESETS
from tests.models.causal import in_chunks, inputs, real, whole

# Float32 rounding through two layers stays near 1e-6; a wrong formula is off by 1e-2 or more.
TOLERANCE = 3e-5


@pytest.fixture(
    scope="module", params=[(4, False), (2, False), (1, True)], ids=["mha", "gqa", "mqa-tied"]
)
def models(request, tmp_path_factory):
    import transformers

    kv_heads, tied = request.param
    config = transformers.LlamaConfig(
        vocab_size=61, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=kv_heads, max_position_embeddings=40,
        rms_norm_eps=1e-5, tie_word_embeddings=tied,
    )  # fmt: skip
    torch.manual_seed(0)
    theirs = transformers.LlamaForCausalLM(config).eval()
    for parameter in theirs.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.1 * torch.randn(parameter.shape)
    folder = tmp_path_factory.mktemp("llama")
    theirs.save_pretrained(folder)
    return PRESETS["llama-tiny"].build(checkpoint=folder), theirs


def test_matches_transformers(models):
    ours, theirs = models
    ids, mask, position = inputs(61)
    with torch.no_grad():
        expected = theirs(input_ids=ids, attention_mask=mask, position_ids=position).logits
    got = whole(ours, ids, mask, position)
    torch.testing.assert_close(real(got, mask), real(expected, mask), atol=TOLERANCE, rtol=0)


def test_cache_gives_what_no_cache_gives(models):
    ids, mask, position = inputs(61)
    pieces = in_chunks(models[0], ids, mask, position)
    expected = whole(models[0], ids, mask, position)
    torch.testing.assert_close(real(pieces, mask), real(expected, mask), atol=TOLERANCE, rtol=0)


def test_sizes_are_llama2_7bs():
    config = LlamaConfig(**PRESETS["llama2-7b"].sizes)
    assert (config.layers, config.width, config.heads, config.hidden) == (32, 4096, 32, 11008)


def test_heads_must_divide():
    with pytest.raises(ModelError, match="kv_heads 3"):
        LlamaConfig(heads=4, kv_heads=3, width=32)
