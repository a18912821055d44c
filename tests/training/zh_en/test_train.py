"""Training: a handful of steps lowers the loss, and the folder it writes can be used."""

import subprocess
import sys

import pytest
import torch

from models.transformer import Transformer
from models.zh_en.tokenizer import SentenceTokenizer
from models.zh_en.translator import Translator
from training.zh_en.train import TrainOptions, batches, loss_of, make_model, save, train


def test_a_short_run_learns_and_its_folder_loads(tmp_path):
    options = TrainOptions(
        folder=tmp_path, pairs=1500, batch=64, width=32, heads=2, layers=1, hidden=32,
        warmup_steps=5, peak_rate=5e-3, english_pieces=300, tokenizer_pairs=2000, neighbour_pairs=0,
    )  # fmt: skip
    model = train(options)
    tokenizer = SentenceTokenizer.from_folder(tmp_path)
    source, target = next(batches(options, tokenizer))
    with torch.no_grad():
        before = loss_of(make_model(options, tokenizer), source, target)
        assert loss_of(model, source, target) < 0.85 * before
    again = Translator.from_folder(tmp_path)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, again.model.get_parameter(name))
    assert isinstance(again.translate(["我很累"])[0], str)


def test_batches_are_the_same_each_time(tmp_path):
    options = TrainOptions(pairs=300, batch=64)
    tokenizer = Translator.from_folder().tokenizer
    one, again = (list(batches(options, tokenizer)) for _ in range(2))
    for pair, same in zip(one, again, strict=True):
        assert torch.equal(pair[0], same[0])
        assert torch.equal(pair[1], same[1])
    assert sum(len(source) for source, _ in one) == 300


def test_saving_keeps_every_parameter(tmp_path):
    model = Translator.from_folder().model
    save(model, tmp_path)
    assert isinstance(model, Transformer)
    assert (tmp_path / "weights.safetensors").stat().st_size < 6_000_000


@pytest.mark.slow
def test_the_command_line_trains_a_few_steps(tmp_path):
    command = [sys.executable, "-m", "training.zh_en.train", str(tmp_path), "--pairs", "640"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "step 0 of 10" in ended.stderr
    assert Translator.from_folder(tmp_path).model.config.source_vocab > 1900
