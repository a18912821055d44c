"""What `pipeline parity` can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.options import settle


@dataclass(frozen=True)
class ParityOptions:
    """Everything that decides a comparison.

    Attributes:
        reference: An artifact folder (its PyTorch model in float64 is the reference), or an ONNX
            file (the reference is what that graph means, computed in float64).
        candidates: Graphs (`.onnx`) and engines (`.plan`) to compare; with a folder and none
            named, every variant in the folder.
        model: The model that the folder was exported from, named once more: lets its code run
            (file.py:function) where it was not exported on this machine.
        output: Where a comparison of files, or of candidates named beside a folder, writes its
            JSON; a folder keeps the result on its own variants.
        seeds: Sets of random inputs at each shape.
        dims: Pins dynamic sizes by name, such as batch=4.
        inputs: An .npz with inputs to compare on, besides the synthetic ones.
        text: A UTF-8 file with one text per line, run through the folder's own tokenizer.
        sentences: Most texts to generate for, token by token.
        max_new_tokens: Longest generation.
        absolute: An absolute tolerance instead of the budget derived from PyTorch's own error.
        relative: A tolerance relative to the largest value, instead of the budget.
        max_kl: Most nats per row that a quantised candidate's logits may diverge by on average.
        min_agreement: Least share of rows in which its largest score is the reference's.
        min_cosine: Least mean cosine of its rows with the reference's.
        max_drop: Most that it may lose: rms of the difference over the rms of the values.
        bisect: On failure, find the first tensor that leaves the budget (files of one part).
        threads: Threads inside one operator, 0 for the runtime's own choice.

    Examples:
        >>> from pipeline import ParityOptions
        >>> ParityOptions("model.onnx", ("fused.onnx",), dims={"batch": 2}).candidates[0].name
        'fused.onnx'
    """

    reference: Path
    candidates: tuple[Path, ...] = ()
    model: str = ""
    output: Path | None = None
    seeds: int = 2
    dims: Mapping[str, int] = field(default_factory=dict)
    inputs: Path | None = None
    text: Path | None = None
    sentences: int = 200
    max_new_tokens: int = 32
    absolute: float | None = None
    relative: float | None = None
    max_kl: float | None = None
    min_agreement: float | None = None
    min_cosine: float | None = None
    max_drop: float | None = None
    bisect: bool = True
    threads: int = 0

    def __post_init__(self) -> None:
        """Raise UsageError for a value outside its range."""
        settle(self)
        for name, least in (("seeds", 1), ("sentences", 0), ("max_new_tokens", 1), ("threads", 0)):
            if getattr(self, name) < least:
                raise UsageError(
                    f"{name} is {getattr(self, name)}, the least is {least}",
                    where=f"--{name.replace('_', '-')}",
                )
        for name in ("absolute", "relative", "max_kl", "max_drop"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                flag = f"--{name.replace('_', '-')}"
                raise UsageError(f"{name} is {value}, it must not be negative", where=flag)
        for name in ("min_agreement", "min_cosine"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                flag = f"--{name.replace('_', '-')}"
                raise UsageError(f"{name} is {value}, it lies between 0 and 1", where=flag)
        for name, size in self.dims.items():
            if size < 0:
                raise UsageError(f"{name} cannot have the size {size}", where="--dim")
