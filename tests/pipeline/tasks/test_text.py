"""Generation over a runner equals transformers' own, token for token."""

import numpy as np
import pytest
import torch
from pipeline.tasks.adapter import RunnerForGeneration
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from pipeline.errors import UsageError
from pipeline.records.export import GenerationSpec
from pipeline.tasks.clock import TokenClock
from pipeline.tasks.one_beam import one_beam
from pipeline.tasks.text import _check_rows, padded
from tests.pipeline.records.made import tensor

LLAMA = LlamaConfig(
    vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, bos_token_id=1, eos_token_id=2,
)  # fmt: skip
GPT2 = GPT2Config(
    vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=96, bos_token_id=1, eos_token_id=2
)


class ModuleRunner:
    """A transformers decoder behind the runner shape, its cache as arrays."""

    def __init__(self, model, layers):
        self.model, self.layers = model, layers
        kinds = [f"{i}.{kind}" for i in range(layers) for kind in ("key", "value")]
        self.pasts = [f"past_key_values.{kind}" for kind in kinds]
        self.input_names = ("input_ids", "attention_mask", "position_ids", *self.pasts)
        self.output_names = ("logits", *(f"present.{kind}" for kind in kinds))
        self.lengths = []

    def run(self, feeds):
        from transformers import DynamicCache

        self.lengths.append(feeds["input_ids"].shape[1])

        cache = DynamicCache()
        given = {name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in feeds.items()}
        for i in range(self.layers):
            cache.update(*(given[f"past_key_values.{i}.{kind}"] for kind in ("key", "value")), i)
        plain = {name: given[name] for name in ("input_ids", "attention_mask", "position_ids")}
        with torch.inference_mode():
            made = self.model(**plain, past_key_values=cache, use_cache=True)
        found = [made.logits]
        for layer in made.past_key_values.layers:
            found += [layer.keys, layer.values]
        return {n: x.numpy() for n, x in zip(self.output_names, found, strict=True)}


@pytest.fixture(params=["llama", "gpt2"])
def pair(request):
    torch.manual_seed(0)
    model = (LlamaForCausalLM(LLAMA) if request.param == "llama" else GPT2LMHeadModel(GPT2)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4.0)  # sharper than an initial model: no ties between tokens
    heads = 2 if request.param == "llama" else 4
    runner = ModuleRunner(model, 2)
    inputs = [tensor(name, "b", heads, "p", 8) for name in runner.pasts]
    special = GenerationSpec(bos_token_id=1, eos_token_id=2, pad_token_id=0)
    return model, RunnerForGeneration({"model": runner}, inputs, special)


WAYS = {
    "greedy with a repetition penalty": {"max_new_tokens": 64, "repetition_penalty": 1.1},
    "beams": {"max_new_tokens": 12, "num_beams": 3},
    "sampling": {"max_new_tokens": 16, "do_sample": True, "temperature": 0.8, "top_k": 20,
                 "top_p": 0.9},
}  # fmt: skip


LOOPS = [(way, loop) for way in WAYS for loop in (None, one_beam) if way != "beams" or not loop]


@pytest.mark.parametrize(("way", "loop"), LOOPS)
def test_tokens_equal_transformers_own(pair, way, loop):
    model, adapter = pair
    ids, mask = padded([[1, 5, 9, 31], [1, 44]], 0, left=True)
    made = []
    for one, chosen in ((model, None), (adapter, loop)):
        torch.manual_seed(3)
        with torch.inference_mode():
            made.append(
                one.generate(
                    ids, attention_mask=mask, pad_token_id=0, custom_generate=chosen, **WAYS[way]
                )
            )
    assert made[0].tolist() == made[1].tolist()
    lengths = adapter.decoder.decoder.lengths
    assert lengths == [4] + [1] * (len(lengths) - 1)  # after the prompt only what is new


def test_rows_that_end_are_filled_up_and_who_listens_hears_each_token(pair):
    model, adapter = pair
    ids, mask = padded([[1, 5, 9, 31], [1, 44], [7, 8, 9]], 0, left=True)
    made = []
    for one, loop in ((model, None), (adapter, one_beam)):
        with torch.inference_mode():
            free = one.generate(ids, attention_mask=mask, pad_token_id=0, max_new_tokens=12,
                                eos_token_id=None, custom_generate=loop)  # fmt: skip
            heard = []
            ends = sorted({int(free[0, 7]), int(free[1, 5])})  # two rows end, at different steps
            clock = TokenClock()
            clock.hear = lambda so_far, heard=heard: heard.append(so_far.shape[1])

            def third(so_far, scores, **_):  # a criterion of the caller's own
                return torch.tensor([False, False, so_far.shape[1] >= 14])

            done = one.generate(ids, attention_mask=mask, pad_token_id=0, max_new_tokens=12,
                                eos_token_id=ends, stopping_criteria=[clock, third],
                                custom_generate=loop)  # fmt: skip
        made.append((free.tolist(), done.tolist(), heard))
    assert made[0] == made[1]
    free, done, heard = made[1]
    assert heard == list(range(5, len(done[0]) + 1))
    assert 0 in done[0] or 0 in done[1]


def test_prompts_are_padded_on_the_left_and_sources_on_the_right():
    rows = [[1, 2, 3], [4]]
    assert padded(rows, 0, left=True)[0].tolist() == [[1, 2, 3], [0, 0, 4]]
    assert padded(rows, 0, left=False)[1].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_a_text_without_a_token_is_named():
    with pytest.raises(UsageError, match="text 2 is empty"):
        _check_rows([[1], []])
