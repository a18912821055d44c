"""What takes part in a measurement, as data that another process can read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.records.tensors import TensorSpec

Kind = Literal["eager", "compile", "ort", "openvino", "tensorrt"]


@dataclass(frozen=True)
class Contender:
    """One way of running the model.

    Attributes:
        name: How the report calls it: a runtime ("eager"), or a variant ("ort-cpu-fp32").
        kind: Which runner opens it.
        files: Part -> absolute path of its graph or engine; for torch the part's exported graph.
        folder: The artifact folder, which says how to build the torch model.
        precision: What it computes in, as claimed by its variant.
        device: "cpu" or "cuda".
        threads: Threads inside one operator.
    """

    name: str
    kind: Kind
    files: Mapping[str, str]
    folder: str = ""
    precision: str = "fp32"
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1


@dataclass(frozen=True)
class GenerationJob:
    """How a whole generation is timed.

    Attributes:
        tokens: New ones.
        start: The decoder's first id behind an encoder, None without one.
        inputs: What the decoding part takes.
    """

    tokens: int
    start: int | None
    inputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class Job:
    """One thing to time.

    Attributes:
        name: Unique, for example "encoder batch=8 source=64".
        part: The part that runs, or "" for a whole generation.
        feeds: Absolute path of an .npz with its inputs.
        sizes: The dynamic sizes, for tables.
        generation: For a generation.
    """

    name: str
    part: str
    feeds: str
    sizes: Mapping[str, int] = field(default_factory=dict)
    generation: GenerationJob | None = None
