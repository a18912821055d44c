"""Baichuan 2: the 7B's form mapped into transformers' Llama, ALiBi against its own definition."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from models.baichuan import BaichuanConfig, alibi_slopes, config_from_published
from models.errors import ModelError
from models.presets import PRESETS
from tests.models.causal import in_chunks, inputs, real, whole

# Float32 rounding through two layers stays near 1e-6; a wrong formula is off by 1e-2 or more.
TOLERANCE = 3e-5
CONFIG = {
    "model_type": "baichuan", "architectures": ["BaichuanForCausalLM"], "vocab_size": 61,
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "rms_norm_eps": 1e-6,
    "num_attention_heads": 4, "model_max_length": 40, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


def published_weights(seed=0):
    noise = torch.Generator().manual_seed(seed)

    def matrix(*shape):
        return torch.randn(*shape, generator=noise) * 0.2

    weights = {"model.embed_tokens.weight": matrix(61, 32), "model.norm.weight": matrix(32),
               "lm_head.weight": matrix(61, 32)}  # fmt: skip
    for index in range(2):
        head = f"model.layers.{index}."
        weights |= {
            head + "self_attn.W_pack.weight": matrix(96, 32),
            head + "self_attn.o_proj.weight": matrix(32, 32),
            head + "self_attn.rotary_emb.inv_freq": matrix(4),
            head + "mlp.gate_proj.weight": matrix(48, 32),
            head + "mlp.up_proj.weight": matrix(48, 32),
            head + "mlp.down_proj.weight": matrix(32, 48),
            head + "input_layernorm.weight": matrix(32) + 1,
            head + "post_attention_layernorm.weight": matrix(32) + 1,
        }
    return weights


def write(folder, config, shards=1, pickled=True):
    """Write the published layout: one or several pytorch_model*.bin and their index."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    weights = published_weights()
    if not pickled:
        save_file(weights, folder / "model.safetensors")
        return folder
    if shards == 1:
        torch.save(weights, folder / "pytorch_model.bin")
        return folder
    places, names = {}, sorted(weights)
    for index in range(shards):
        file = f"pytorch_model-{index + 1:05d}-of-{shards:05d}.bin"
        part = {name: weights[name] for name in names[index::shards]}
        places |= dict.fromkeys(part, file)
        torch.save(part, folder / file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    return folder


def as_llama():
    import transformers

    weights = published_weights()
    for index in range(2):
        head = f"model.layers.{index}.self_attn."
        packed = weights.pop(head + "W_pack.weight")
        del weights[head + "rotary_emb.inv_freq"]
        for name, part in zip("qkv", packed.chunk(3), strict=True):
            weights[f"{head}{name}_proj.weight"] = part
    weights["lm_head.weight"] = F.normalize(weights["lm_head.weight"])
    config = transformers.LlamaConfig(
        vocab_size=61, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=40, rms_norm_eps=1e-6,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config).eval()
    model.load_state_dict(weights)
    return model


def alibi_reference(ids):
    """Return logits computed token by token and head by head from the ALiBi paper's formula."""
    weights = published_weights()
    x = weights["model.embed_tokens.weight"][ids]

    def norm(x, weight):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight

    for index in range(2):
        layer = {k.removeprefix(f"model.layers.{index}."): v for k, v in weights.items()}
        y = norm(x, layer["input_layernorm.weight"])
        q, k, v = (y @ layer["self_attn.W_pack.weight"].T).chunk(3, -1)
        mixed = torch.zeros_like(x)
        for row in range(ids.shape[0]):
            for head, slope in enumerate((2**-2, 2**-4, 2**-6, 2**-8)):  # 4 heads
                part = slice(8 * head, 8 * head + 8)
                for t in range(ids.shape[1]):
                    scores = torch.stack([
                        q[row, t, part] @ k[row, s, part] / 8**0.5 - slope * (t - s)
                        for s in range(t + 1)
                    ])  # fmt: skip
                    mixed[row, t, part] = scores.softmax(0) @ v[row, : t + 1, part]
        x = x + mixed @ layer["self_attn.o_proj.weight"].T
        y = norm(x, layer["post_attention_layernorm.weight"])
        gate = F.silu(y @ layer["mlp.gate_proj.weight"].T) * (y @ layer["mlp.up_proj.weight"].T)
        x = x + gate @ layer["mlp.down_proj.weight"].T
    head = weights["lm_head.weight"]
    return norm(x, weights["model.norm.weight"]) @ (head / head.norm(dim=-1, keepdim=True)).T


ROTARY = CONFIG | {"max_position_embeddings": 40}


@pytest.mark.parametrize(("shards", "pickled"), [(1, True), (2, True), (1, False)], ids=str)
def test_rotary_is_a_llama(shards, pickled, tmp_path):
    folder = write(tmp_path / "b", ROTARY, shards, pickled)
    ours = PRESETS["baichuan2-7b"].build(checkpoint=folder)
    ids, mask, position = inputs(61)
    with torch.no_grad():
        expected = as_llama()(input_ids=ids, attention_mask=mask, position_ids=position).logits
    got = whole(ours, ids, mask, position)
    torch.testing.assert_close(real(got, mask), real(expected, mask), atol=TOLERANCE, rtol=0)


@pytest.fixture
def alibi(tmp_path):
    return PRESETS["baichuan2-13b"].build(checkpoint=write(tmp_path / "b", CONFIG))


def test_alibi_is_the_papers(alibi):
    ids, _, _ = inputs(61)
    got = whole(alibi, ids, torch.ones_like(ids), None)
    torch.testing.assert_close(got, alibi_reference(ids), atol=TOLERANCE, rtol=0)


def test_alibi_does_not_feel_left_padding(alibi):
    ids, mask, _ = inputs(61)
    padded = whole(alibi, ids, mask, None)[1, 3:]
    alone = whole(alibi, ids[1:, 3:].repeat(2, 1), torch.ones(2, 6, dtype=torch.int64), None)[0]
    torch.testing.assert_close(padded, alone, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", ["baichuan-tiny", "baichuan-alibi-tiny"])
def test_cache_gives_what_no_cache_gives(name):
    model = PRESETS[name].build()
    ids, mask, position = inputs(97)
    pieces, expected = in_chunks(model, ids, mask, position), whole(model, ids, mask, position)
    torch.testing.assert_close(real(pieces, mask), real(expected, mask), atol=TOLERANCE, rtol=0)


def test_slopes_of_forty_heads():
    """The paper's rule for 40: those of 32, then every second one of 64."""
    slopes = alibi_slopes(40)
    assert slopes[:2] == pytest.approx([2**-0.25, 2**-0.5])
    assert slopes[31] == pytest.approx(2**-8)
    assert slopes[32:35] == pytest.approx([2**-0.125, 2**-0.375, 2**-0.625])


def test_head_rows_have_length_one_also_when_random():
    rows = PRESETS["baichuan-tiny"].build().head.weight.norm(dim=-1)
    torch.testing.assert_close(rows, torch.ones(97))


def test_the_first_baichuan_is_refused():
    with pytest.raises(ModelError, match="Baichuan 1"):
        config_from_published(CONFIG | {"vocab_size": 64000})


def test_sizes_are_the_published_ones():
    big = BaichuanConfig(**PRESETS["baichuan2-13b"].sizes)
    assert (big.layers, big.width, big.heads, big.hidden) == (40, 5120, 40, 13696)
    assert big.positions == "alibi"
    assert BaichuanConfig(**PRESETS["baichuan2-7b"].sizes).positions == "rotary"
