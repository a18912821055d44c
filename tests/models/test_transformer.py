"""The encoder-decoder against torch.nn.Transformer's layers, its masks, cache and decoding."""

import dataclasses
import itertools

import pytest
import torch
from torch import nn

from models.errors import ModelError
from models.presets import PRESETS
from models.transformer import (
    BatchNorm,
    Transformer,
    TransformerConfig,
    beam_search,
    causal_mask,
    greedy,
    padding_mask,
    scaled_dot_product_attention,
    sinusoidal_positions,
)
from models.weights import fill_seeded

# Float32 rounding through a few layers stays near 1e-6; a wrong formula is off by 1e-2 or more.
TOLERANCE = 3e-5
POST = TransformerConfig(
    source_vocab=41, target_vocab=37, width=32, heads=4, layers=2, hidden=48, max_length=24,
    dropout=0.0,
)  # fmt: skip
PRE = dataclasses.replace(POST, pre_norm=True)


def make(config: TransformerConfig, seed: int = 3) -> Transformer:
    model = fill_seeded(Transformer(config), seed).eval()
    assert isinstance(model, Transformer)
    return model


def copy_attention(theirs: nn.MultiheadAttention, ours: nn.Module) -> None:
    parts = [ours.query, ours.key, ours.value]
    theirs.in_proj_weight.data = torch.cat([part.weight for part in parts])
    theirs.in_proj_bias.data = torch.cat([part.bias for part in parts])
    theirs.out_proj.load_state_dict(ours.output.state_dict())


def copy_block(theirs: nn.Module, ours: nn.Module) -> None:
    copy_attention(theirs.self_attn, ours.self_attention)
    theirs.linear1.load_state_dict(ours.feed_forward.expand.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.contract.state_dict())
    norms = [ours.attention_norm, ours.feed_forward_norm]
    if hasattr(ours, "cross_attention"):
        copy_attention(theirs.multihead_attn, ours.cross_attention)
        norms.insert(1, ours.cross_norm)
    for index, add_norm in enumerate(norms, start=1):
        getattr(theirs, f"norm{index}").load_state_dict(add_norm.norm.state_dict())


def torch_reference(ours: Transformer) -> nn.Transformer:
    c = ours.config
    theirs = nn.Transformer(
        c.width, c.heads, c.layers, c.layers, c.hidden, dropout=0.0, batch_first=True,
        norm_first=c.pre_norm,
    ).eval()  # fmt: skip
    for block, layer in zip(ours.encoder, theirs.encoder.layers, strict=True):
        copy_block(layer, block)
    for block, layer in zip(ours.decoder, theirs.decoder.layers, strict=True):
        copy_block(layer, block)
    for stack, norm in ((theirs.encoder, ours.encoder_norm), (theirs.decoder, ours.decoder_norm)):
        if c.pre_norm:
            stack.norm.load_state_dict(norm.state_dict())
        else:
            stack.norm = None  # torch adds a last norm that the paper does not have
    return theirs


@pytest.fixture
def batch():
    noise = torch.Generator().manual_seed(1)
    source = torch.randint(3, 37, (3, 7), generator=noise)
    mask = torch.ones(3, 7, dtype=torch.int64)
    mask[1, 4:] = 0
    target = torch.randint(3, 37, (3, 5), generator=noise)
    return source, mask, target


@pytest.mark.parametrize("config", [POST, PRE], ids=["post-norm", "pre-norm"])
def test_matches_torch_transformer(config, batch):
    ours, (source, mask, target) = make(config), batch
    theirs = torch_reference(ours)
    with torch.no_grad():
        hidden = theirs(
            ours.source(source),
            ours.target(target),
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(5),
            src_key_padding_mask=mask == 0,
            memory_key_padding_mask=mask == 0,
            tgt_is_causal=True,
        )
        expected = hidden @ ours.target.token.weight.T
        torch.testing.assert_close(ours(source, mask, target), expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("kind", ["none", "padding", "causal", "both"])
def test_attention_matches_torch_sdpa(kind):
    noise = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 4, 6, 8, generator=noise) for _ in range(3))
    keep = torch.ones(2, 6, dtype=torch.int64)
    keep[1, 4:] = 0
    mask = {
        "none": None,
        "padding": padding_mask(keep),
        "causal": causal_mask(6, 6),
        "both": causal_mask(6, 6) & padding_mask(keep),
    }[kind]
    expected = nn.functional.scaled_dot_product_attention(query, key, value, mask)
    got = scaled_dot_product_attention(query, key, value, mask)
    torch.testing.assert_close(got, expected, atol=TOLERANCE, rtol=0)


def test_a_row_that_may_look_nowhere_gets_the_mean():
    value = torch.arange(6.0).view(1, 1, 3, 2)
    out = scaled_dot_product_attention(value, value, value, torch.zeros(1, 1, 3, 3).bool())
    torch.testing.assert_close(out[0, 0, 0], torch.tensor([2.0, 3.0]))


def test_causal_mask_of_a_step_over_a_cache():
    assert causal_mask(2, 4).tolist() == [[True, True, True, False], [True, True, True, True]]


def test_positions_are_the_papers_formula():
    table = sinusoidal_positions(10, 6)
    for position, feature in itertools.product((0, 3, 9), range(6)):
        angle = torch.tensor(position / 10000.0 ** (2 * (feature // 2) / 6))
        expected = angle.cos() if feature % 2 else angle.sin()
        torch.testing.assert_close(table[position, feature], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("chunks", [(1, 1, 1, 1, 1), (3, 2), (5,)], ids=str)
def test_cache_gives_what_no_cache_gives(chunks, batch):
    model, (source, mask, target) = make(POST), batch
    with torch.no_grad():
        whole = model(source, mask, target)
        cross, cache = model.cross_keys_values(model.encode(source, mask)), model.empty_cache(3)
        steps = []
        for part in target.split(list(chunks), dim=1):
            logits, cache = model.decode(part, mask, cross, cache)
            steps.append(logits)
    torch.testing.assert_close(torch.cat(steps, 1), whole, atol=TOLERANCE, rtol=0)


def test_padding_changes_no_real_row(batch):
    model, (source, mask, target) = make(POST), batch
    with torch.no_grad():
        padded = model(source, mask, target)[1]
        alone = model(source[1:2, :4], mask[1:2, :4], target[1:2])[0]
    torch.testing.assert_close(padded, alone, atol=TOLERANCE, rtol=0)


def test_greedy_takes_the_likeliest_token_each_time(batch):
    model, (source, mask, _) = make(POST), batch
    ids = torch.full((3, 1), model.config.bos_id)
    for _ in range(6):
        with torch.no_grad():
            ids = torch.cat((ids, model(source, mask, ids)[:, -1:].argmax(-1)), 1)
    ended = (ids[:, 1:] == model.config.eos_id).cumsum(1).cumsum(1) > 1
    expected = ids[:, 1:].masked_fill(ended, model.config.pad_id)
    got = greedy(model, source, mask, limit=6)
    assert got.tolist() == expected[:, : got.shape[1]].tolist()


@pytest.mark.parametrize("seed", [0, 11, 17])
def test_beam_search_with_all_beams_is_exhaustive(seed):
    """With seeds 11 and 17 the length decides between the candidates."""
    config = dataclasses.replace(POST, source_vocab=5, target_vocab=5)
    model = make(config, seed)
    source, mask = torch.tensor([[3, 4, 3]]), torch.ones(1, 3, dtype=torch.int64)
    best, best_score = None, -1e9
    for tokens in itertools.product(range(5), repeat=3):
        with torch.no_grad():
            log_p = model(source, mask, torch.tensor([[1, *tokens[:-1]]])).log_softmax(-1)[0]
        if 2 in tokens:  # after the end only padding, at no cost
            end = tokens.index(2) + 1
            if any(tokens[end:]) or 0 in tokens[:end]:
                continue
        elif 0 in tokens:
            continue
        length = sum(token != 0 for token in tokens)
        total = sum(log_p[i, t].item() for i, t in enumerate(tokens[:length]))
        score = total / ((5 + length) / 6) ** 0.6
        if score > best_score:
            best, best_score = tokens, score
    got = beam_search(model, source, mask, beams=125, limit=3)[0].tolist()
    assert got == list(best)[: len(got)]


def test_one_beam_is_greedy(batch):
    model, (source, mask, _) = make(POST), batch
    one = beam_search(model, source, mask, beams=1, limit=8)
    assert one.tolist() == greedy(model, source, mask, limit=8).tolist()


def test_too_long_a_source_is_refused():
    model = make(POST)
    source = torch.ones(1, 30, dtype=torch.int64)
    with pytest.raises(ModelError, match="24 positions"):
        greedy(model, source, torch.ones_like(source), limit=4)


def test_width_must_be_a_multiple_of_heads():
    with pytest.raises(ModelError, match="width 30"):
        TransformerConfig(width=30, heads=4)


def test_batch_norm_matches_torch():
    ours, theirs = BatchNorm(8, 1e-5), nn.BatchNorm1d(8, 1e-5, track_running_stats=False)
    x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    expected = theirs(x.flatten(0, 1)).view(3, 5, 8)
    torch.testing.assert_close(ours(x), expected, atol=TOLERANCE, rtol=0)


def test_base_and_big_are_the_papers_sizes():
    base = TransformerConfig(**PRESETS["transformer-base"].sizes)
    big = TransformerConfig(**PRESETS["transformer-big"].sizes)
    assert (base.layers, base.width, base.hidden, base.heads) == (6, 512, 2048, 8)
    assert (big.layers, big.width, big.hidden, big.heads) == (6, 1024, 4096, 16)
