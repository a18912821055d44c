"""Trains zh-en from nothing: `python -m training.zh_en.train [FOLDER] [--pairs N]`.

Writes tokenizer.json, words.json, config.json and weights.safetensors into FOLDER. The defaults
are those of the published weights; every run with the same seed sees the same pairs in the same
order.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from models.transformer import Transformer, TransformerConfig
from models.zh_en import FOLDER
from models.zh_en.tokenizer import MAX_LENGTH, PAD, SentenceTokenizer
from training.zh_en import corpus
from training.zh_en.tokenizer import neighbours, save_tokenizer, train_tokenizer

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainOptions:
    """What decides the weights."""

    folder: Path = FOLDER
    pairs: int = 320_000
    batch: int = 64
    peak_rate: float = 1.5e-3
    warmup_steps: int = 400
    seed: int = 0
    english_pieces: int = 1000
    tokenizer_pairs: int = 60_000
    neighbour_pairs: int = 400_000
    width: int = 128
    heads: int = 4
    layers: int = 3
    hidden: int = 256


def make_tokenizer(options: TrainOptions) -> SentenceTokenizer:
    """Return the tokenizer learnt from clauses of its own and every fixed phrase."""
    stream = corpus.clauses_of(options.seed + 7)
    clauses = [*itertools.islice(stream, options.tokenizer_pairs), *corpus.phrases()]
    english = [corpus.punctuate(clause, "full").en for clause in clauses] + ["!"]
    more = itertools.islice(stream, options.neighbour_pairs)
    pairs = neighbours(clauses) | neighbours(more)
    return train_tokenizer(clauses, english, options.english_pieces, pairs)


def make_model(options: TrainOptions, tokenizer: SentenceTokenizer) -> Transformer:
    """Return the untrained model: Xavier matrices, embeddings of unit rows."""
    config = TransformerConfig(
        source_vocab=tokenizer.tokenizer.get_vocab_size(),
        target_vocab=tokenizer.words.first_chinese_id,
        width=options.width,
        heads=options.heads,
        layers=options.layers,
        hidden=options.hidden,
        max_length=MAX_LENGTH,
        dropout=0.0,  # fresh pairs at every step: nothing to memorise
    )
    torch.manual_seed(options.seed)
    model = Transformer(config)
    for name, parameter in model.named_parameters():
        if name.endswith("token.weight"):
            torch.nn.init.normal_(parameter, std=options.width**-0.5)
        elif parameter.dim() > 1:
            torch.nn.init.xavier_uniform_(parameter)
    return model


def batches(options: TrainOptions, tokenizer: SentenceTokenizer) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (source ids [B, S], target ids [B, T]) of like lengths, PAD-filled."""
    stream, shuffle = corpus.pairs(options.seed, "train"), random.Random(options.seed)
    left = options.pairs
    while left > 0:
        block = list(itertools.islice(stream, min(left, options.batch * 32)))
        left -= len(block)
        sources = tokenizer.tokenizer.encode_batch([pair.zh for pair in block])
        rows = [
            ([i for i in s.ids if i != PAD], tokenizer.encode_target(p.en))
            for s, p in zip(sources, block, strict=True)
        ]
        rows.sort(key=lambda row: len(row[0]) + len(row[1]))
        groups = [rows[at : at + options.batch] for at in range(0, len(rows), options.batch)]
        shuffle.shuffle(groups)
        for group in groups:
            yield _padded([row[0] for row in group]), _padded([row[1] for row in group])


def _padded(rows: list[list[int]]) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])


def loss_of(model: Transformer, source: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross-entropy of each next target token, padding left out."""
    logits = model(source, (source != PAD).long(), target[:, :-1])  # [B, T - 1, V]
    return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=PAD)


def train(options: TrainOptions) -> Transformer:
    """Train, write the folder's files and return the model in eval mode."""
    tokenizer = make_tokenizer(options)
    save_tokenizer(tokenizer, options.folder)
    model = make_model(options, tokenizer)
    steps = -(-options.pairs // options.batch)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=options.peak_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    warm = options.warmup_steps
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.0, (steps - step) / (steps - warm)))
    )
    started = time.monotonic()
    for step, (source, target) in enumerate(batches(options, tokenizer)):
        loss = loss_of(model, source, target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            LOG.info(
                "step %d of %d, loss %.4f, %.0f s",
                step,
                steps,
                loss.item(),
                time.monotonic() - started,
            )
    save(model.eval(), options.folder)
    return model


def save(model: Transformer, folder: Path) -> None:
    """Write config.json and weights.safetensors."""
    config = {"model_type": "transformer", **asdict(model.config)}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    tensors = {
        name: parameter.detach().contiguous() for name, parameter in model.named_parameters()
    }
    save_file(tensors, folder / "weights.safetensors")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, help="where the files go")
    parser.add_argument("--pairs", type=int, default=TrainOptions.pairs, help="pairs to train on")
    arguments = parser.parse_args()
    train(TrainOptions(folder=arguments.folder, pairs=arguments.pairs))
