"""Presets by name: light to import, repeatable, loud about what they cannot do."""

import json
import subprocess
import sys

import pytest
import torch

from models.errors import ModelError
from models.presets import PRESETS, preset_of_folder

TINY = [name for name in PRESETS if name.endswith("tiny")]


def test_the_promised_names_exist():
    promised = """transformer-base transformer-big transformer-tiny zh-en bert-base bert-large
    bert-tiny gpt2 gpt2-tiny llama2-7b llama-tiny baichuan2-7b baichuan2-13b baichuan-tiny"""
    assert set(promised.split()) <= PRESETS.keys()


def test_listing_them_imports_no_framework():
    script = "import sys, models.presets; print(int('torch' in sys.modules))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "0"


@pytest.mark.parametrize("name", TINY)
def test_seed_decides_the_weights(name):
    one, same, other = (PRESETS[name].build(seed=seed) for seed in (1, 1, 2))
    pairs = zip(one.parameters(), same.parameters(), other.parameters(), strict=True)
    for a, b, c in pairs:
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
    assert PRESETS[name].random_weights


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dtype_of_the_weights(dtype):
    model = PRESETS["llama-tiny"].build(dtype=dtype)
    assert {p.dtype for p in model.parameters()} == {getattr(torch, dtype)}
    out = model(
        *(torch.ones(1, 2, dtype=torch.int64),) * 3,
        [(torch.zeros(1, 2, 0, 8).to(model.norm.weight),) * 2] * 2,
    )[0]
    assert out.dtype == getattr(torch, dtype)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gpt2-tiny", {"task": "translation"}, "cannot do 'translation'"),
        ("gpt2-tiny", {"dtype": "int8"}, "dtype 'int8'"),
    ],
    ids=["task", "dtype"],
)
def test_what_a_preset_cannot_do(name, options, message):
    with pytest.raises(ModelError, match=message):
        PRESETS[name].build(**options)


@pytest.mark.parametrize("name", TINY)
def test_no_such_folder(name, tmp_path):
    with pytest.raises(ModelError, match="no such folder"):
        PRESETS[name].build(checkpoint=tmp_path / "absent")


@pytest.mark.parametrize("name", TINY)
def test_a_folder_of_another_family(name, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}))
    with pytest.raises(ModelError, match="model_type 't5'"):
        PRESETS[name].build(checkpoint=tmp_path)


def test_settings_nobody_knows(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "transformer", "wings": 2}))
    with pytest.raises(ModelError, match="wings"):
        PRESETS["transformer-tiny"].build(checkpoint=tmp_path)


def test_zh_en_brings_its_weights_and_tokenizer():
    preset = PRESETS["zh-en"]
    assert not preset.random_weights
    assert {path.name for path in preset.tokenizer_files()} == {"tokenizer.json", "words.json"}
    weights = preset.folder / "weights.safetensors"
    assert weights.stat().st_size <= 6_000_000
    assert next(preset.build().parameters()).dtype == torch.float32


def test_unseen_texts_come_with_what_was_trained_here():
    assert len(PRESETS["zh-en"].unseen_texts()) == 200
    assert PRESETS["zh-en"].unseen_texts()[0] == "香港的夏天不潮湿。"
    assert PRESETS["transformer-tiny"].unseen_texts() == ()


def test_the_checkpoints_tokenizer_replaces_the_presets(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(b"x")
    files = PRESETS["llama2-7b"].tokenizer_files(tmp_path)
    assert [path.name for path in files] == ["tokenizer.model"]
    assert PRESETS["llama2-7b"].tokenizer_files() == ()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"params.json": "{}"}, "llama2-7b"),
        ({"config.json": '{"model_type": "baichuan"}'}, "baichuan2-7b"),
        ({"config.json": '{"model_type": "llama"}', "params.json": "{}"}, None),
        ({"config.json": "{"}, None),
        ({}, None),
    ],
    ids=["meta", "baichuan", "transformers", "broken", "empty"],
)
def test_folders_only_we_can_read(files, expected, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = preset_of_folder(tmp_path)
    assert (found and found.name) == expected


def test_saving_zh_ens_tokenizer(tmp_path):
    assert PRESETS["zh-en"].save_tokenizer(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"tokenizer.json", "words.json"}
    assert not PRESETS["gpt2"].save_tokenizer(tmp_path)
