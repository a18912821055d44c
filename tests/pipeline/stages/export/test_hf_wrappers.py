"""The wrappers compute what the models do: with a cache as without, in halves as whole."""

import pytest
import torch
from transformers.cache_utils import DynamicCache

from pipeline.stages.export import hf_wrappers as wrappers

CLOSE = {"rtol": 0, "atol": 2e-5}  # float32 over two layers; sums in another order


@pytest.fixture(scope="module")
def tiny(checkpoints):
    import transformers

    def load(name, auto):
        model = getattr(transformers, auto).from_pretrained(checkpoints(name))
        return model.eval().requires_grad_(False)

    return load


def test_a_cache_survives_flattening():
    shape = wrappers.CacheShape(((2, 4), (2, 6)))
    assert shape.names("past") == ["past.0.key", "past.0.value"]
    flat = shape.example(3, 5, torch.float32)
    assert [tuple(t.shape) for t in flat] == [(3, 2, 5, 4), (3, 2, 5, 6)]
    cache = wrappers.filled_cache(flat)
    assert cache.get_seq_length() == 5
    assert all(a is b for a, b in zip(wrappers.flat_cache(cache), flat, strict=True))
    assert wrappers.cache_shape(cache) == shape


def test_a_cache_of_another_kind_is_named():
    class Layer:
        keys = None

    cache = DynamicCache()
    cache.layers.append(Layer())
    with pytest.raises(TypeError, match="layer 0 keeps its state in a Layer"):
        wrappers.cache_shape(cache)


def test_one_token_after_a_past_equals_all_at_once(tiny):
    model = tiny("llama", "AutoModelForCausalLM")
    ids = torch.randint(3, 60, (2, 6), generator=torch.Generator().manual_seed(1))
    mask, positions = torch.ones(2, 6, dtype=torch.int64), torch.arange(6).expand(2, 6)
    decoder = wrappers.CachedDecoder(model, ["input_ids", "attention_mask", "position_ids"])
    empty = wrappers.CacheShape(((2, 8),) * 4).example(2, 0, torch.float32)
    whole = decoder(ids, mask, positions, *empty)
    first = decoder(ids[:, :4], mask[:, :4], positions[:, :4], *empty)
    rest = decoder(ids[:, 4:], mask, positions[:, 4:], *first[1:])
    torch.testing.assert_close(rest[0], whole[0][:, 4:], **CLOSE)
    torch.testing.assert_close(rest[1:], whole[1:], **CLOSE)


@pytest.mark.parametrize("name", ["bart", "whisper", "moonshine", "t5gemma"])
def test_two_halves_equal_the_whole(tiny, name):
    """T5Gemma and Moonshine read fields of what the encoder returned, BART its first value."""
    sounds = {"whisper": ("input_features", (2, 8, 20)), "moonshine": ("input_values", (2, 2000))}
    model = tiny(name, "AutoModelForSpeechSeq2Seq" if name in sounds else "AutoModelForSeq2SeqLM")
    noise = torch.Generator().manual_seed(1)
    if name in sounds:
        taken, shape = sounds[name]
        names, source = [taken], (torch.randn(shape, generator=noise),)
    else:
        mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
        names = ["input_ids", "attention_mask"]
        source = (torch.randint(3, 60, (2, 5), generator=noise), mask)
    target = torch.randint(3, 60, (2, 4), generator=noise)
    whole = model(**dict(zip(names, source, strict=True)), decoder_input_ids=target).logits
    memory, *cross = wrappers.CrossEncoder(model, names)(*source)
    plain = ["input_ids", *names[1:]]
    decoder = wrappers.CrossDecoder(model, plain, len(cross) // 2, memory.shape[-1])
    past = [tensor[:, :, :0] for tensor in cross]
    logits = []
    for token in target.split(1, dim=1):
        step, *past = decoder(token, *source[1:], *past, *cross)
        logits.append(step)
    torch.testing.assert_close(torch.cat(logits, 1), whole, **CLOSE)
    without = wrappers.PlainDecoder(model, plain)(target, *source[1:], memory)
    torch.testing.assert_close(without[0], whole, **CLOSE)


def test_a_cache_is_handed_over_and_taken_back_by_the_name_the_model_has():
    class New(torch.nn.Module):
        def forward(self, input_ids, cache=None):
            return {"logits": input_ids, "cache": cache}

    class Old(torch.nn.Module):
        def forward(self, input_ids, past_key_values=None):
            return {"logits": input_ids, "past_key_values": past_key_values}

    for model in (New(), Old()):
        held = object()
        assert wrappers.returned_cache(model(1, **wrappers.given_cache(model, held))) is held
