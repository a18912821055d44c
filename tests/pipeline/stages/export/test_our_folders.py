"""Folders transformers cannot read alone: Meta's layout and Baichuan 2, without remote code."""

import json

import pytest
import sentencepiece
import torch
from transformers import RepetitionPenaltyLogitsProcessor

from pipeline.cli.app import run
from pipeline.errors import BadModelError
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.stage import as_preset, export_model
from pipeline.tasks.options import GenerateOptions
from pipeline.tasks.text import generate_texts
from tests.models.test_baichuan import ROTARY, as_llama
from tests.models.test_baichuan import write as write_baichuan
from tests.models.test_llama_checkpoints import interleaved_attention, meta_weights, write_meta

END = 2


def add_tokenizer(folder):
    with (folder / "tokenizer.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["the cat sat", "a dog ran", "我今天很开心"] * 20),
            model_writer=file, vocab_size=61, model_type="bpe", minloglevel=2,
            hard_vocab_limit=False,
        )  # fmt: skip
    return folder


def made(kind, tmp_path):
    if kind == "meta":
        return add_tokenizer(write_meta(tmp_path / "model"))
    folder = write_baichuan(
        tmp_path / "model", ROTARY | {"auto_map": {"AutoConfig": "evil.Config"}}
    )
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BaichuanTokenizer"}')
    return add_tokenizer(folder)


@pytest.mark.parametrize("kind", ["meta", "baichuan"])
def test_the_folder_itself_is_a_model_that_talks(kind, tmp_path):
    folder, out = made(kind, tmp_path), tmp_path / "out"
    options = ExportOptions(model=str(folder), output=out, exporter="torchscript")
    artifact = export_model(options)
    assert artifact.facts["model"]["random_weights"] is False
    assert artifact.facts["tokenizer"] == "tokenizer"
    assert export_model(options).reused
    said = [
        generate_texts(
            GenerateOptions(folder=out, texts=("the cat",), max_new_tokens=4, runner=runner)
        )
        for runner in ("torch", "ort")
    ]
    assert said[0].tokens == said[1].tokens
    assert len(said[0].tokens[0]) > 0


def independent(kind, prompt, count):
    """Return greedy tokens under a repetition penalty of 1.1, of models that are not ours."""
    ids = torch.tensor([prompt])
    if kind == "baichuan":
        told = {"max_new_tokens": count, "repetition_penalty": 1.1, "do_sample": False}
        made = as_llama().generate(ids, attention_mask=torch.ones_like(ids), **told)
        return [token for token in made[0, len(prompt) :].tolist() if token != END]
    weights, penalty = meta_weights(), RepetitionPenaltyLogitsProcessor(1.1)
    while ids.shape[1] < len(prompt) + count:
        scores = penalty(ids, interleaved_attention(weights, ids)[:, -1])
        ids = torch.cat([ids, scores.argmax(dim=-1, keepdim=True)], dim=1)
        if ids[0, -1] == END:
            return ids[0, len(prompt) : -1].tolist()
    return ids[0, len(prompt) :].tolist()


@pytest.mark.parametrize("kind", ["meta", "baichuan"])
def test_the_optimized_graph_says_at_the_command_line_what_others_say(kind, tmp_path, capsys):
    folder, out = made(kind, tmp_path), str(tmp_path / "out")
    assert run(["export", str(folder), "-o", out]) == 0
    assert run(["optimize", out, "--require", "attention=all", "--require", "norm=all"]) == 0
    capsys.readouterr()
    words = ["--max-new-tokens", "64", "--repetition-penalty", "1.1", "--json"]
    assert run(["generate", out, "the cat", *words]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["variant"] == "optimize.ort-cpu-fp32"
    reader = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    prompt = [*([1] if kind == "meta" else []), *reader.encode("the cat")]
    assert said["tokens"][0] == independent(kind, prompt, 64)
    assert len(said["tokens"][0]) > 8


def test_half_a_folder_is_a_bad_model(tmp_path):
    folder = made("meta", tmp_path)
    (folder / "consolidated.00.pth").unlink()
    with pytest.raises(BadModelError, match="missing"):
        export_model(ExportOptions(model=str(folder), output=tmp_path / "out"))


def test_other_models_stay_what_they_are(tmp_path):
    options = ExportOptions(model="gpt2-tiny", output=tmp_path)
    assert as_preset(options) is options
