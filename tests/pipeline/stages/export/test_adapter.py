"""Merged weights are what LoRA's definition adds up to; what does not fit is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

import pipeline
from pipeline.errors import BadModelError, UsageError
from pipeline.stages.export.adapter import merge_adapter
from pipeline.stages.export.adapter_files import read_adapter
from tests.pipeline.stages.export.adapters import LAYER, adapter, base, noise, pair


def product(tensors):
    first, second = tensors.values()
    return second @ first


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({}, 3.0),
        ({"use_rslora": True}, 6 / 2**0.5),
        ({"alpha_pattern": {"q_proj": 1}}, 0.5),
        ({"alpha_pattern": {"k_proj": 1}}, 3.0),
        ({"r": 99}, 3.0),  # the rank is that of the matrices
    ],
)
def test_a_matrix_gets_what_was_learnt(tmp_path, config, scale):
    model = base(tmp_path / "base")
    before = model.get_submodule(f"{LAYER}q_proj").weight.clone()
    merge_adapter(model, read_adapter(adapter(tmp_path / "adapter", **config)))
    after = model.get_submodule(f"{LAYER}q_proj").weight
    wanted = before + scale * product(pair(f"{LAYER}q_proj", 8, 8))
    np.testing.assert_allclose(after.numpy(), wanted.numpy(), rtol=1e-5, atol=1e-6)


def test_an_embedding_and_a_matrix_that_lies_input_first(tmp_path):
    model = base(tmp_path / "base")
    size = model.model.embed_tokens.weight.shape[0]
    before = model.model.embed_tokens.weight.clone()
    told = pair("model.embed_tokens", 8, size, kind="embedding_")
    merge_adapter(model, read_adapter(adapter(tmp_path / "one", told)))
    torch.testing.assert_close(model.model.embed_tokens.weight, before + 3 * product(told).T)

    torch.manual_seed(0)
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=8, n_layer=1, n_head=2, n_positions=8))
    weight = gpt2.transformer.h[0].attn.c_attn.weight.clone()  # [8, 24]
    told = pair("transformer.h.0.attn.c_attn", 24, 8)
    merge_adapter(gpt2, read_adapter(adapter(tmp_path / "two", told, fan_in_fan_out=True)))
    after = gpt2.transformer.h[0].attn.c_attn.weight
    torch.testing.assert_close(after, weight + 3 * product(told).T)


def test_tied_weights_stay_as_they_are_where_nothing_is_added(tmp_path):
    model = base(tmp_path / "base", tie_word_embeddings=True)
    embedding = model.model.embed_tokens.weight.clone()
    told = pair("lm_head", embedding.shape[0], 8)
    merge_adapter(model, read_adapter(adapter(tmp_path / "adapter", told)))
    torch.testing.assert_close(model.model.embed_tokens.weight, embedding)
    torch.testing.assert_close(model.lm_head.weight, embedding + 3 * product(told))


def test_tensors_saved_whole_take_their_place_before_pairs_are_added(tmp_path):
    model = base(tmp_path / "base")
    whole = noise(8, 8, seed=9)
    told = pair(f"{LAYER}q_proj", 8, 8)
    own = {f"{LAYER}q_proj.base_layer.weight": whole, "model.norm.weight": noise(8)}
    note = merge_adapter(model, read_adapter(adapter(tmp_path / "adapter", {**told, **own})))
    after = model.get_submodule(f"{LAYER}q_proj").weight
    torch.testing.assert_close(after, whole + 3 * product(told))
    torch.testing.assert_close(model.model.norm.weight, noise(8))
    assert note == "the adapter adapter is merged: 1 matrices and 2 tensors of its own"


@pytest.mark.parametrize(
    ("tensors", "error", "says"),
    [
        (pair(f"{LAYER}q_proj", 8, 7), BadModelError, "is .8, 8., what it adds .8, 7."),
        (pair("model.layers.5.q_proj", 8, 8), UsageError, "does not have"),
        (pair("model.layers.0.self_attn", 8, 8), UsageError, "does not have"),
        ({f"{LAYER}q_proj.lora_A.weight": noise(2, 8)}, BadModelError, "one half"),
        ({f"{LAYER}q_proj.lora_magnitude_vector": noise(8)}, UsageError, "lora_magnitude_vector"),
        ({"model.norm.weight": noise(9)}, BadModelError, "model.norm.weight is"),
        (
            {
                f"{LAYER}q_proj.lora_A.weight": noise(2, 8),
                f"{LAYER}q_proj.lora_B.weight": noise(8, 3),
            },
            BadModelError,
            "halves",
        ),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, tensors, error, says):
    model = base(tmp_path / "base")
    with pytest.raises(error, match=says):
        merge_adapter(model, read_adapter(adapter(tmp_path / "adapter", tensors)))


def test_weights_that_cannot_be_read_are_refused_and_pickles_not_run(tmp_path):
    model = base(tmp_path / "base")
    folder = adapter(tmp_path / "adapter")
    (folder / "adapter_model.safetensors").write_bytes(b"junk")
    with pytest.raises(BadModelError, match="cannot be read"):
        merge_adapter(model, read_adapter(folder))
    (folder / "adapter_model.safetensors").unlink()
    torch.save({"x": Touch(tmp_path / "run")}, folder / "adapter_model.bin")
    with pytest.raises(BadModelError, match="cannot be read"):
        merge_adapter(model, read_adapter(folder))
    assert not (tmp_path / "run").exists()


class Touch:
    """A pickle that makes a file where it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (type(self.path).touch, (self.path,))


def test_what_transformers_merged_by_itself_is_not_merged_again(tmp_path):
    model = base(tmp_path / "base")
    model._hf_peft_config_loaded = True
    with pytest.raises(UsageError, match="by itself"):
        merge_adapter(model, read_adapter(adapter(tmp_path / "adapter")))


def test_the_adapter_is_in_the_exported_graph_and_known_by_its_digest(tmp_path):
    model = base(tmp_path / "base")
    beside = adapter(tmp_path / "adapter")
    options = pipeline.ExportOptions(
        str(tmp_path / "base"), tmp_path / "out", adapter=beside, kv_cache="none"
    )
    made = pipeline.export_model(options)
    assert any("adapter is merged" in line for line in made.log)
    merge_adapter(model, read_adapter(beside))
    ids = torch.tensor([[5, 6, 7]])
    with pipeline.load(tmp_path / "out", variant="exported") as loaded, torch.no_grad():
        given = {"input_ids": ids.numpy(), "attention_mask": np.ones((1, 3), np.int64)}
        names = {tensor.name for tensor in loaded.record.parts["model"].inputs}
        given |= {"position_ids": np.arange(3)[None]} if "position_ids" in names else {}
        (logits,) = loaded.run(given).values()
        np.testing.assert_allclose(logits, model(input_ids=ids).logits.numpy(), atol=1e-4)
    assert pipeline.export_model(options).made == made.made
    told = json.loads((beside / "adapter_config.json").read_text())
    (beside / "adapter_config.json").write_text(json.dumps({**told, "lora_alpha": 7}))
    assert pipeline.export_model(options).digest != made.digest


def test_an_adapter_goes_with_a_checkpoint(tmp_path):
    options = pipeline.ExportOptions("gpt2-tiny", tmp_path / "out", adapter=adapter(tmp_path / "a"))
    with pytest.raises(UsageError, match="goes with a Hugging Face checkpoint"):
        pipeline.export_model(options)
