"""Why a transformer normalises layers, not batches: padding and neighbours must not leak.

    python -m reports.layernorm-vs-batchnorm.measure [FOLDER]

Writes data.json and report.md beside this script, or into FOLDER.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from models.transformer import BatchNorm, Transformer, TransformerConfig
from models.weights import fill_seeded
from reports.common import publish, table

HERE = Path(__file__).parent
Kind = Literal["layer", "batch", "batch-running"]
KINDS: tuple[Kind, ...] = ("layer", "batch", "batch-running")
PADDING = (1, 4, 16, 48)
# Sums over more columns round differently; what remains is float32 noise, not dependence.
TOLERANCE = 1e-5
CONFIG = TransformerConfig(
    source_vocab=97, target_vocab=97, width=64, heads=4, layers=2, hidden=128, max_length=64,
    dropout=0.0,
)  # fmt: skip


@dataclass(frozen=True)
class Invariance:
    """How far one sentence's encoding moves, relative to its root mean square.

    Attributes:
        padded: By columns of padding added -> largest change.
        neighbours: Largest change when the other sentences of its batch are exchanged.
        calibration: Largest change when the statistics were gathered on batches with half their
            columns padding instead of none; None where nothing is gathered.
    """

    norm: Kind
    padded: dict[int, float]
    neighbours: float
    calibration: float | None

    @property
    def invariant(self) -> bool:
        """Return whether nothing but the sentence itself decides its encoding."""
        moved = [*self.padded.values(), self.neighbours, self.calibration or 0.0]
        return max(moved) <= TOLERANCE


class RunningBatchNorm(BatchNorm):
    """Batch norm as inference runs it: with averages gathered beforehand, padding included."""

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int, eps: float) -> None:
        super().__init__(width, eps)
        self.register_buffer("mean", torch.zeros(width), persistent=False)
        self.register_buffer("variance", torch.ones(width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return x [B, T, W] normalised by the averages; in training mode gather them first."""
        if self.training:
            self.mean = x.mean((0, 1))
            self.variance = x.var((0, 1), unbiased=False)
        scaled = (x - self.mean) * torch.rsqrt(self.variance + self.eps)
        return scaled * self.weight + self.bias


def make(kind: Kind, seed: int = 0) -> Transformer:
    """Return the model with the norm asked for and the same seeded weights for every kind."""
    model = Transformer(replace(CONFIG, norm="layer" if kind == "layer" else "batch"))
    if kind == "batch-running":
        for parent in list(model.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, BatchNorm):
                    setattr(parent, name, RunningBatchNorm(CONFIG.width, CONFIG.norm_eps))
    filled = fill_seeded(model, seed).eval()
    assert isinstance(filled, Transformer)
    return filled


def measure(kind: Kind, seed: int = 0) -> Invariance:
    """Return how much padding, neighbours and calibration move the first sentence of a batch."""
    model, noise = make(kind, seed), torch.Generator().manual_seed(seed)
    batch = torch.randint(3, CONFIG.source_vocab, (4, 12), generator=noise)
    others = torch.randint(3, CONFIG.source_vocab, (4, 12), generator=noise)
    others[0] = batch[0]
    _calibrate(model, batch, padding=0)
    alone = _first(model, batch, 0)
    scale = float(alone.square().mean().sqrt())

    def moved(to: Tensor) -> float:
        return float((to - alone).abs().max()) / scale

    padded = {columns: moved(_first(model, batch, columns)) for columns in PADDING}
    neighbours = moved(_first(model, others, 0))
    calibration = None
    if kind == "batch-running":
        _calibrate(model, batch, padding=12)
        calibration = moved(_first(model, batch, 0))
    return Invariance(kind, padded, neighbours, calibration)


def _padded(batch: Tensor, columns: int) -> tuple[Tensor, Tensor]:
    ids = nn.functional.pad(batch, (0, columns), value=CONFIG.pad_id)
    return ids, (ids != CONFIG.pad_id).long()


@torch.no_grad()
def _calibrate(model: Transformer, batch: Tensor, padding: int) -> None:
    model.train()
    model.encode(*_padded(batch, padding))
    model.eval()


@torch.no_grad()
def _first(model: Transformer, batch: Tensor, columns: int) -> Tensor:
    return model.encode(*_padded(batch, columns))[0, : batch.shape[1]]


def report(results: list[Invariance]) -> str:
    """Return the results as markdown."""
    names = {
        "layer": "LayerNorm",
        "batch": "BatchNorm, the batch's own statistics",
        "batch-running": "BatchNorm, statistics gathered beforehand",
    }
    columns = [*(f"{count} columns of padding" for count in PADDING), "other neighbours"]
    head = ["norm", *columns, "gathered with 50 % padding", "invariant"]
    rows = []
    for result in results:
        moved = [f"{value:.1e}" for value in (*result.padded.values(), result.neighbours)]
        gathered = "-" if result.calibration is None else f"{result.calibration:.1e}"
        verdict = "yes" if result.invariant else "**no**"
        rows.append([names[result.norm], *moved, gathered, verdict])
    return "\n".join([_INTRODUCTION, *table(head, rows), "", _CONCLUSION])


_INTRODUCTION = f"""# LayerNorm versus BatchNorm: does padding leak?

A sentence of 12 tokens is encoded in a batch of four, then again with padding added to the batch
or with its neighbours exchanged; attention masks the padding, so nothing about the sentence has
changed. Shown is the largest change of its encoding, relative to its root mean square: 2 encoder
layers, width 64, the same seeded float32 weights for each norm. Invariant means at most
{TOLERANCE:.0e} (float32 rounding).
"""
_CONCLUSION = """LayerNorm normalises each token by its own features: padding and neighbours cannot
reach it. BatchNorm normalises each feature over the batch, so padded positions and other sentences
enter the statistics of every sentence. Gathering the statistics beforehand, as inference does,
hides that within one batch, but moves it into the statistics: the same weights give another answer
when the batches they were gathered on held more padding.

Reproduce: `python -m reports.layernorm-vs-batchnorm.measure`
"""


def main(folder: Path) -> None:
    """Measure every kind and write data.json and report.md into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    results = [measure(kind) for kind in KINDS]
    data = [{**asdict(result), "invariant": result.invariant} for result in results]
    publish(folder, data, report(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else HERE)
