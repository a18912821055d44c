"""Example inputs follow the signature and the configuration, and stay legal."""

from types import SimpleNamespace

import pytest
import torch

from pipeline.errors import UsageError
from pipeline.stages.export.hf_inputs import (
    example_ids,
    lengths,
    longest_input,
    model_inputs,
    past_lengths,
)


@pytest.fixture(scope="module")
def tiny(checkpoints):
    import transformers

    def load(name, auto):
        return getattr(transformers, auto).from_pretrained(checkpoints(name)).eval()

    return load


def test_text_inputs_and_their_axes(tiny):
    inputs = model_inputs(tiny("bert", "AutoModel"), "feature-extraction")
    assert list(inputs.tensors) == ["input_ids", "attention_mask", "token_type_ids"]
    assert inputs.axes["input_ids"] == {0: "batch", 1: "seq"}
    assert inputs.dims["seq"].max == 64
    assert 0 in inputs.tensors["attention_mask"]


def test_choices_are_an_axis_of_their_own(tiny):
    inputs = model_inputs(tiny("bert", "AutoModel"), "multiple-choice")
    assert inputs.axes["input_ids"] == {0: "batch", 1: "choices", 2: "seq"}


def test_images_and_sound(tiny):
    image = model_inputs(tiny("vit", "AutoModel"), "feature-extraction")
    assert image.tensors["pixel_values"].shape[1:] == (3, 16, 16)
    assert image.axes["pixel_values"] == {0: "batch"}
    task = "automatic-speech-recognition"
    sound = model_inputs(tiny("whisper", "AutoModelForSpeechSeq2Seq"), task)
    assert sound.tensors["input_features"].shape[1:] == (8, 20)
    assert "decoder_input_ids" in sound.tensors


def test_ids_avoid_special_tokens_and_stay_in_the_vocabulary(tiny):
    ids = example_ids(tiny("bart", "AutoModel").config, 50, 20)
    assert set(ids.flatten().tolist()) <= set(range(64)) - {0, 1, 2}


def test_lengths_leave_room(tiny):
    model = tiny("llama", "AutoModelForCausalLM")
    assert lengths(model).max == 64
    assert past_lengths(model).max == past_lengths(model).opt == 63


def test_positions_that_start_after_the_padding_id_are_fewer():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.position_embeddings = torch.nn.Embedding(20, 4, padding_idx=1)
            self.config = type("Config", (), {"max_position_embeddings": 20})()

    assert longest_input(Model()) == 18


def test_an_unknown_kind_of_input_is_named():
    class Odd(torch.nn.Module):
        main_input_name = "point_cloud"
        config = object()

        def forward(self, point_cloud): ...

    with pytest.raises(UsageError, match="point_cloud"):
        model_inputs(Odd(), "feature-extraction")


def test_several_ids_may_end_a_text():
    from transformers import LlamaConfig

    ids = example_ids(LlamaConfig(vocab_size=8, bos_token_id=0, eos_token_id=[3, 5]), 20, 20)
    assert set(ids.unique().tolist()) == {1, 2, 4, 6, 7}


def test_a_clip_is_longer_than_what_the_convolutions_take():
    """Also where no setting of the configuration names them, as Moonshine's are in its code."""

    class Hears(torch.nn.Module):
        main_input_name, dtype, config = "input_values", torch.float32, SimpleNamespace()

        def __init__(self):
            super().__init__()
            self.front = torch.nn.Sequential(
                torch.nn.Conv1d(1, 2, 127, 64),
                torch.nn.Conv1d(2, 2, 7, 3),
                torch.nn.Conv1d(2, 2, 3),
            )

        def forward(self, input_values):
            return self.front(input_values[:, None])

    model = Hears()
    inputs = model_inputs(model, "feature-extraction")
    assert model(**inputs.tensors).shape[-1] >= 1
    assert inputs.dims["time"].min == 2 * ((2 * 3 + 7 - 1) * 64 + 127)
