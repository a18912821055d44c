"""What the parent asks of the building child, and what it hears back; plain JSON both ways."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.builder.shapes import Profile
from pipeline.records.engine import AttentionRow, ShapeRange
from pipeline.records.tensors import TensorSpec
from pipeline.tensorrt_api import Flavour

Task = Literal["build", "probe"]


@dataclass(frozen=True)
class PlanRequest:
    """One child's work.

    Attributes:
        task: `build` writes a plan; `probe` asks for each attention whether a dedicated kernel
            exists; `check` only parses.
        flavour: Which bindings to use.
        onnx: The graph; its external data lies beside it.
        plan: Where to write, a temporary name that the parent renames.
        targets: Compute capabilities (RTX); empty builds for the present GPU.
        profiles: One optimization profile each.
        tf32: Whether float32 products may round to TF32.
        workspace_bytes: Limit of the scratch memory, None for the builder's own.
        level: builder_optimization_level 0..5, None for the builder's own.
        verbosity: layer_names_only, detailed or none.
        weight_streaming: Whether weights may stay on the host at run time.
        timing_cache: A file read before and written after (full TensorRT).
        decomposable: Whether attention without a dedicated kernel may fall apart into GEMMs.
    """

    task: Task
    flavour: Flavour
    onnx: Path
    plan: Path
    targets: tuple[str, ...] = ()
    profiles: tuple[Profile, ...] = ()
    tf32: bool = False
    workspace_bytes: int | None = None
    level: int | None = None
    verbosity: str = "layer_names_only"
    weight_streaming: bool = False
    timing_cache: Path | None = None
    decomposable: bool = True

    def to_json(self) -> str:
        """Return the request as text."""
        return json.dumps(asdict(self), default=str)

    @staticmethod
    def from_json(text: str) -> PlanRequest:
        """Return the request that `to_json` wrote."""
        raw = json.loads(text)
        raw["onnx"], raw["plan"] = Path(raw["onnx"]), Path(raw["plan"])
        raw["timing_cache"] = Path(raw["timing_cache"]) if raw["timing_cache"] else None
        raw["targets"] = tuple(raw["targets"])
        raw["profiles"] = tuple(
            {n: ShapeRange(*map(tuple, s)) for n, s in p.items()} for p in raw["profiles"]
        )
        return PlanRequest(**raw)


@dataclass(frozen=True)
class ParserRow:
    """One error of the ONNX parser."""

    code: str
    text: str
    node: str
    operator: str


@dataclass
class Heard:
    """Everything a child reported, in the order it said it."""

    log: list[tuple[str, str]] = field(default_factory=list)
    parser: list[ParserRow] = field(default_factory=list)
    inputs: list[TensorSpec] = field(default_factory=list)
    outputs: list[TensorSpec] = field(default_factory=list)
    attention: list[AttentionRow] = field(default_factory=list)
    layers: int = 0
    version: str = ""
    bytes_written: int = 0
    peak_rss_bytes: int = 0
    done: bool = False
    failed_at: str = ""
    failure: str = ""
