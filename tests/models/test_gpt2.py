"""GPT-2 against transformers' own, from the same tiny random checkpoint."""

import pytest
import torch

from models.errors import ModelError
from models.gpt2 import Gpt2Config, config_from_hugging_face
from models.presets import PRESETS
from tests.models.causal import in_chunks, inputs, real, whole

# Float32 rounding through two layers stays near 1e-6; a wrong formula is off by 1e-2 or more.
TOLERANCE = 3e-5


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    import transformers

    config = transformers.GPT2Config(
        vocab_size=61, n_embd=32, n_layer=2, n_head=4, n_positions=40, bos_token_id=1,
        eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(0)
    theirs = transformers.GPT2LMHeadModel(config).eval()
    for parameter in theirs.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.1 * torch.randn(parameter.shape)
    folder = tmp_path_factory.mktemp("gpt2")
    theirs.save_pretrained(folder)
    return PRESETS["gpt2-tiny"].build(checkpoint=folder), theirs


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


def test_sizes_are_gpt2s():
    config = Gpt2Config(**PRESETS["gpt2"].sizes)
    assert (config.layers, config.width, config.heads, config.vocab) == (12, 768, 12, 50257)


def test_another_activation_is_refused():
    with pytest.raises(ModelError, match="relu"):
        config_from_hugging_face({"activation_function": "relu"})
