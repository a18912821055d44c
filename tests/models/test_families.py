"""From preset to model and parts: a checkpoint of the family's own layout round-trips."""

import json

import pytest
import torch
from safetensors.torch import save_file

from models.families import parts
from models.presets import PRESETS


def test_a_trained_transformer_folder_comes_back(tmp_path):
    model = PRESETS["transformer-tiny"].build(seed=4)
    config = {"model_type": "transformer", **PRESETS["transformer-tiny"].sizes}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(dict(model.named_parameters()), tmp_path / "weights.safetensors")
    again = PRESETS["transformer-base"].build(checkpoint=tmp_path)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, again.get_parameter(name))


@pytest.mark.parametrize("name", ["bert-tiny", "gpt2-tiny", "llama-tiny", "baichuan-tiny"])
def test_one_part_of_a_lone_encoder_or_decoder(name):
    assert parts(PRESETS[name].build()).keys() == {"model"}


def test_two_parts_of_an_encoder_decoder():
    model = PRESETS["transformer-tiny"].build()
    assert parts(model).keys() == {"encoder", "decoder"}
