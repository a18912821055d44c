"""What `pipeline optimize` and `pipeline explain` can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from pipeline.errors import NoKernelsError, UsageError
from pipeline.options import settle
from pipeline.types import ROUNDED, Method, Precision, Target

Proof = Literal["structure", "full", "none"]
Gate: TypeAlias = int | Literal["all"]
CheckBuild: TypeAlias = Literal["no", "small", "yes"]

# (target, precision) -> what to take instead.
_NO_KERNELS = {
    ("ort-cpu", "bf16"): "--precision fp32 here, or bf16 for ort-cuda, tensorrt or tensorrt-rtx",
    # TensorRT knows no scales that are found while it runs
    ("tensorrt", "int8"): "--precision int8-weights, which leaves activations as they are",
    ("tensorrt-rtx", "int8"): "--precision int8-weights, which leaves activations as they are",
    # its kernels could not be tried: what this machine's CPU computes says nothing about them
    **{("ort-cuda", p): f"--target onnx --precision {p}, in standard operators" for p in ROUNDED},
}


@dataclass(frozen=True)
class OptimizeOptions:
    """Everything that decides the optimized graphs.

    Attributes:
        model: An ONNX file from anywhere, or an artifact folder.
        output: The file to write (`x.onnx`, data beside it), or an artifact folder; None writes
            into the artifact folder `model`.
        target: What will run the graph.
        precision: The type of the graph, or what its stored weights are rounded to; None keeps
            the types it has.
        disable: Names of lowerings to leave out; `pipeline optimize --list` shows them.
        require: Gates such as `attention=12`, `norm=all`: fewer fused is exit code 1.
        proof: `structure` proves each structure once, on made-up ranges; `full` every instance
            by itself, also on the values it has in the whole graph; `none` trusts the recognisers.
        fuse_all: Also fuse forms that measure slower fused on the target.
        inputs: Real inputs (.npz): what `--proof full` proves on and a precision takes its ranges
            from. Without them both make up inputs that fit the graph.
        calibration_text: A UTF-8 file whose tokens are the inputs, of the kind the model will read:
            for a folder with a tokenizer, in place of `inputs`.
        method: How `int4` rounds: `rtn` takes the nearest code; `gptq` lets errors make up for
            each other on the inputs, which takes longer and loses less; `auto` is `gptq` where
            there are inputs or a text.
        check_build: Try TensorRT's builder on every graph, and leave plain the sites with which
            it does not build. `small` does so only for graphs that cost seconds, and where
            TensorRT-RTX is installed: what `run` does unless told otherwise.

    Examples:
        >>> from pipeline import OptimizeOptions
        >>> OptimizeOptions("model.onnx", "fused.onnx", require={"attention": "all"}).variant
        'ort-cpu-fp32'
    """

    model: Path
    output: Path | None = None
    target: Target = "ort-cpu"
    precision: Precision | None = None
    disable: tuple[str, ...] = ()
    require: Mapping[str, Gate] = field(default_factory=dict)
    proof: Proof = "structure"
    fuse_all: bool = False
    inputs: Path | None = None
    calibration_text: Path | None = None
    method: Literal["auto", "rtn", "gptq"] = "auto"
    check_build: CheckBuild = "no"

    def __post_init__(self) -> None:
        """Raise UsageError for a value outside its range."""
        settle(self)
        if self.inputs is not None and self.calibration_text is not None:
            raise UsageError("--inputs and --calibration-text: one of them", fix="leave one out")
        if self.method != "auto" and self.precision != "int4":
            raise UsageError(
                f"--method {self.method} is how int4 rounds, not {self.precision or 'fp32'}",
                fix="--precision int4",
            )
        check_builder(self.check_build, self.target)
        for kind, least in self.require.items():
            check_gate(kind, least)

    def rounding(self, has_inputs: bool) -> Method | None:
        """Return how 4 bits are rounded; None where nothing is.

        Raises:
            UsageError: `gptq` was asked for, and there are no inputs.
        """
        if self.precision != "int4":
            return None
        if self.method == "gptq" and not has_inputs:
            raise UsageError(
                "--method gptq needs real inputs: made-up ones would show it the wrong errors",
                fix="--calibration-text FILE, --inputs FILE.npz, or --method rtn",
            )
        return "rtn" if self.method == "rtn" or not has_inputs else "gptq"

    @property
    def variant(self) -> str:
        """The name of the graphs made, e.g. `ort-cpu-fp32`."""
        return f"{self.target}-{self.precision or 'fp32'}"


@dataclass(frozen=True)
class ExplainOptions:
    """What a graph is explained for.

    Attributes:
        model: An ONNX file from anywhere, or an artifact folder, of which the exported graphs are
            explained.
        target: What would run the graph.
        precision: What its stored weights would be rounded to; None leaves them.
        disable: Names of lowerings to leave out; `pipeline optimize --list` shows them.
        proof: `structure` proves each structure once, on made-up ranges; `full` every instance
            by itself, also on the values it has in the whole graph; `none` trusts the recognisers.
        fuse_all: Also fuse forms that measure slower fused on the target.
        inputs: Real inputs (.npz) that `--proof full` proves on. Without them it makes up inputs
            that fit the graph.
        check_build: Try TensorRT's builder on every graph, and tell the sites with which it does
            not build. `small` does so only for graphs that cost seconds, and where TensorRT-RTX
            is installed.

    Examples:
        >>> from pipeline import ExplainOptions
        >>> ExplainOptions("model.onnx", target="tensorrt").proof
        'structure'
    """

    model: Path
    target: Target = "ort-cpu"
    precision: Precision | None = None
    disable: tuple[str, ...] = ()
    proof: Proof = "structure"
    fuse_all: bool = False
    inputs: Path | None = None
    check_build: CheckBuild = "no"

    def __post_init__(self) -> None:
        """Raise UsageError for a value that does not exist."""
        settle(self)
        check_builder(self.check_build, self.target)


def refuse_without_kernels(target: Target, precision: Precision | None) -> None:
    """Raise NoKernelsError where nothing on the target runs a graph of this precision.

    Raises:
        UsageError: No graph can be made in this precision yet.
    """
    if precision == "fp8":
        raise UsageError(
            "--precision fp8 is not available yet",
            fix="fp32, fp16, bf16, int8, int8-weights or int4",
        )
    fix = _NO_KERNELS.get((target, precision or ""))
    if fix is not None:
        raise NoKernelsError(f"{target} has no kernels for --precision {precision}", fix=fix)


def check_builder(check: CheckBuild, target: Target) -> None:
    """Raise UsageError if a builder is to be asked about graphs that it is not for."""
    if check != "no" and not target.startswith("tensorrt"):
        raise UsageError(
            f"--check-build asks TensorRT's builder, and the target is {target}",
            fix="--target tensorrt, or leave --check-build out",
        )


def check_gate(kind: str, least: Gate) -> None:
    """Raise UsageError unless a gate asks for a number of a construct there is."""
    from pipeline.fusion.plan import constructs  # loads onnx_ir, which no help text needs

    if kind not in constructs() or (least != "all" and least < 0):
        raise UsageError(
            f"--require {kind}={least} is not understood",
            fix=f"write attention=12 or attention=all; constructs: {', '.join(constructs())}",
        )
