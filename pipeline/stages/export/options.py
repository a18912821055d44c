"""What `pipeline export` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pipeline.errors import UsageError
from pipeline.options import settle

Exporter = Literal["auto", "dynamo", "torchscript"]
KvCache = Literal["concat", "static", "none"]
Logits = Literal["all", "last"]
Dtype = Literal["auto", "float32", "float16", "bfloat16"]
Task = Literal[
    "auto",
    "text-generation",
    "text2text-generation",
    "translation",
    "automatic-speech-recognition",
    "feature-extraction",
    "fill-mask",
    "text-classification",
    "token-classification",
    "question-answering",
    "multiple-choice",
    "image-classification",
    "audio-classification",
]
TASKS: tuple[str, ...] = get_args(Task)[1:]

LEAST_CAPACITY = 16  # positions: room for the sizes an export is proven at
STATIC_OPSET = 24  # the first with TensorScatter
DEFAULT_OPSET = 20  # native Gelu and LayerNormalization, and no operator a runtime still lacks


@dataclass(frozen=True)
class ExportOptions:
    """Everything that decides the exported files.

    Attributes:
        model: A Hugging Face folder, `file.py:function`, `hf:ORG/NAME`, a preset, or
            `package.module:function`.
        output: The artifact folder.
        task: One of TASKS, or "auto" to infer it from the checkpoint's configuration.
        dtype: Type of the weights in the graph; "auto" is float32, and a function's own.
        opset: 18 to 24; None takes 20, or 24 with a static cache.
        exporter: "auto" tries dynamo and, where that fails, TorchScript.
        kv_cache: "concat" grows the cache, "static" writes into a fixed buffer (TensorRT),
            "none" leaves it out.
        capacity: Positions in a static cache; None takes the model's own maximum.
        logits: "last" gives those of the last position alone, which is all that generation reads;
            a long prompt then runs faster and takes less memory.
        checkpoint: A folder whose weights a preset takes instead of its own or random ones.
        adapter: Folder of a LoRA adapter that is merged into a Hugging Face checkpoint.
        trust_remote_code: Run Python that comes with a Hugging Face checkpoint.
        seed: Decides random weights, what a function draws, and the inputs of the proof.

    Examples:
        >>> from pipeline import ExportOptions
        >>> ExportOptions("gpt2-tiny", "out", kv_cache="static", capacity=64).resolved_opset
        24
    """

    model: str
    output: Path
    task: Task = "auto"
    dtype: Dtype = "auto"
    opset: int | None = None
    exporter: Exporter = "auto"
    kv_cache: KvCache = "concat"
    capacity: int | None = None
    logits: Logits = "all"
    checkpoint: Path | None = None
    adapter: Path | None = None
    trust_remote_code: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise UsageError for a value outside its range."""
        settle(self)
        low = STATIC_OPSET if self.kv_cache == "static" else 18
        if self.opset is not None and not low <= self.opset <= 24:
            raise UsageError(
                f"opset {self.opset} is outside {low} to 24"
                + (" (a static cache needs TensorScatter)" if low > 18 else ""),
                where="--opset",
                fix="leave --opset out, or name one in that range",
            )
        if self.capacity is not None and self.kv_cache != "static":
            raise UsageError(
                f"capacity {self.capacity} is of a static cache, the cache is {self.kv_cache}",
                where="--capacity",
                fix="add --kv-cache static",
            )
        if self.capacity is not None and self.capacity < LEAST_CAPACITY:
            raise UsageError(
                f"a static cache of {self.capacity} positions is too small to prove",
                where="--capacity",
                fix=f"give at least {LEAST_CAPACITY}, usually prompt plus new tokens",
            )

    @property
    def resolved_opset(self) -> int:
        """Return the opset to export to."""
        if self.opset is not None:
            return self.opset
        return STATIC_OPSET if self.kv_cache == "static" else DEFAULT_OPSET
