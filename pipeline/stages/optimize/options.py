"""What `pipeline optimize` and `pipeline explain` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.errors import NoKernelsError, UsageError
from pipeline.types import PRECISIONS, TARGETS, Precision, Target

Proof = Literal["structure", "full", "none"]
PROOFS = ("structure", "full", "none")
KINDS = ("attention", "norm", "activation", "rotary")

# (target, precision) -> what to take instead.
_NO_KERNELS = {
    ("ort-cpu", "bf16"): "--precision fp32 here, or bf16 for ort-cuda, tensorrt or tensorrt-rtx",
}


@dataclass(frozen=True)
class OptimizeOptions:
    """Everything that decides the optimized graphs.

    Attributes:
        model: An ONNX file from anywhere, or an artifact folder.
        output: The file to write (`x.onnx`, data beside it), or an artifact folder; None writes
            into the artifact folder `model`.
        target: What will run the graph.
        precision: The type of the graph; None keeps the one it has.
        disable: Names of lowerings to leave out; `pipeline optimize --list` shows them.
        require: Gates such as `attention=12`, `norm=all`: fewer fused is exit code 1.
        proof: `structure` proves each structure once, on made-up ranges; `full` every instance
            by itself, also on the values it has in the whole graph; `none` trusts the recognisers.
        fuse_all: Also fuse forms that measure slower fused on the target.
        inputs: Real inputs (.npz): what `--proof full` proves on and a precision takes its ranges
            from. Without them both make up inputs that fit the graph.
    """

    model: Path
    output: Path | None = None
    target: Target = "ort-cpu"
    precision: Precision | None = None
    disable: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    proof: Proof = "structure"
    fuse_all: bool = False
    inputs: Path | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for a value outside its range."""
        _one_of("--target", self.target, TARGETS)
        _one_of("--proof", self.proof, PROOFS)
        if self.precision is not None:
            _one_of("--precision", self.precision, PRECISIONS)
        for gate in self.require:
            parse_gate(gate)

    @property
    def variant(self) -> str:
        """The name of the graphs made, e.g. `ort-cpu-fp32`."""
        return f"{self.target}-{self.precision or 'fp32'}"


def refuse_without_kernels(target: str, precision: str | None) -> None:
    """Raise NoKernelsError where nothing on the target runs a graph of this precision."""
    fix = _NO_KERNELS.get((target, precision or ""))
    if fix is not None:
        raise NoKernelsError(f"{target} has no kernels for --precision {precision}", fix=fix)


def parse_gate(text: str) -> tuple[str, int | None]:
    """Return (construct, least number fused), None meaning all of them.

    Raises:
        UsageError: The text is not `construct=number` or `construct=all`.
    """
    kind, _, number = text.partition("=")
    if kind not in KINDS or not (number == "all" or number.isdigit()):
        raise UsageError(
            f"--require {text!r} is not understood",
            fix=f"write attention=12 or attention=all; constructs: {', '.join(KINDS)}",
        )
    return kind, None if number == "all" else int(number)


def _one_of(flag: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(
            f"{flag} {value!r} does not exist", fix=f"choose one of {', '.join(allowed)}"
        )
