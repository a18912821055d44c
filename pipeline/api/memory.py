"""Optimizing a model that is in memory: what went in stays as it was, its weights are shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import onnx
import onnx_ir as ir

from pipeline.errors import PipelineError, UsageError
from pipeline.graph.files.model_file import model_of, refuse_invalid
from pipeline.notebook import Grid, Shown
from pipeline.ort.settings import settings_path
from pipeline.records.optimize import OptimizedFileRecord
from pipeline.stages.optimize.apply import apply_options
from pipeline.stages.optimize.options import (
    Gate,
    OptimizeOptions,
    Proof,
    refuse_without_kernels,
)
from pipeline.stages.optimize.records import check_gates, graph_record
from pipeline.stages.optimize.stage import write_graph
from pipeline.types import SILENT, Precision, Progress, Target

Model = TypeVar("Model", onnx.ModelProto, ir.Model)
IN_MEMORY = "the model in memory"


@dataclass(frozen=True, repr=False)
class Optimized(Shown, Generic[Model]):
    """An optimized model and what was done to it.

    Attributes:
        model: Of the same class as the model given.
        record: Counts, every site with its proof or its refusal, and the session settings that
            belong to the graph: what `pipeline optimize` writes into its manifest.
        base_dir: Where data files that the weights refer to lie.

    Examples:
        >>> import onnx, pipeline
        >>> made = pipeline.optimize(onnx.load("model.onnx"))
        >>> made.save("fused.onnx").name
        'fused.onnx'
    """

    model: Model
    record: OptimizedFileRecord
    base_dir: Path = Path()

    def __repr__(self) -> str:
        """Return how many nodes there are and what became of each construct."""
        nodes = self.record.nodes
        told = [f"{nodes.before} nodes -> {nodes.after}"]
        for construct, count in self.record.counts.items():
            told += [f"{construct} {n} {state}" for state, n in vars(count).items() if n]
        return f"<Optimized: {', '.join(told)}>"

    def grids(self) -> list[Grid]:
        """Return what became of each construct as tables, for a notebook."""
        return self.record.grids()

    def save(self, path: Path | str) -> Path:
        """Write the model as `pipeline optimize -o PATH` does, and return the path.

        New weights go into a data file beside it, session settings into `PATH.session.json`.

        Raises:
            FolderError: The folder cannot be written or the disk is full.
        """
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        graph = _graph(self.model, self.base_dir)
        write_graph(graph, place, settings_path(place), self.record.session)
        return place


def optimize(
    model: Model,
    *,
    target: Target = "ort-cpu",
    precision: Precision | None = None,
    disable: Sequence[str] = (),
    require: Mapping[str, Gate] | None = None,
    proof: Proof = "structure",
    fuse_all: bool = False,
    inputs: Mapping[str, np.ndarray] | None = None,
    method: Literal["auto", "rtn", "gptq"] = "auto",
    base_dir: Path | str | None = None,
    progress: Progress = SILENT,
) -> Optimized[Model]:
    """Return a model fused for a target, each rewrite proven, and what was done to it.

    The model given is not changed. An `onnx_ir.Model` shares its weights with the result; a
    `ModelProto` owns what it holds, so those of the result are copied, once.

    Args:
        model: From any exporter. Weights may lie in data files, which stay there.
        target: What will run the graph.
        precision: The type of the graph; None keeps the one it has.
        disable: Names of lowerings to leave out; `list_lowerings(target)` returns them.
        require: Least number fused by construct, or "all": `{"attention": "all"}`.
        proof: `structure` proves each structure once, on made-up ranges; `full` every instance
            by itself, also on the values it has in the whole graph; `none` trusts the recognisers.
        fuse_all: Also fuse forms that measure slower fused on the target.
        inputs: Real inputs by name, all of them: what a full proof proves on and a precision takes
            its ranges from. Without them both make up inputs that fit the graph.
        method: How `int4` rounds: `rtn` to the nearest code, `gptq` with errors that make up for
            each other on the inputs; `auto` is `gptq` where there are inputs.
        base_dir: Where the data files of a ModelProto lie; None is the working folder.
        progress: Told which site is being worked on.

    Raises:
        UsageError: Not a model, an option that does not exist, or inputs that do not fit.
        NoKernelsError: The target runs nothing of that precision.
        BadModelError: The model breaks ONNX's rules, or contradicts itself.
        ClaimError: A `require` does not hold.

    Examples:
        >>> import onnx, pipeline
        >>> model = onnx.load("model.onnx")
        >>> made = pipeline.optimize(model, target="ort-cpu", require={"attention": "all"})
        >>> made
        <Optimized: 96 nodes -> 63, norm 6 fused, attention 2 fused, residual-norm 4 plain>
        >>> "Softmax" in {node.op_type for node in made.model.graph.node}
        False
    """
    options = OptimizeOptions(
        Path(IN_MEMORY), target=target, precision=precision, disable=tuple(disable),
        require=require or {}, proof=proof, fuse_all=fuse_all, method=method,
    )  # fmt: skip
    refuse_without_kernels(options.target, options.precision)
    home = Path(base_dir or ".")
    graph = _graph(model, home)
    if inputs is not None:
        _check_inputs(graph, inputs)
    try:
        fused = apply_options(graph, options, inputs, progress)
    except PipelineError:
        raise
    except Exception as error:
        _refuse_invalid(model, error)
        raise
    gates = check_gates(options.require, {"model": fused})
    made: Any = ir.to_proto(graph) if isinstance(model, onnx.ModelProto) else graph
    record = OptimizedFileRecord(gates=gates, **vars(graph_record(fused)))
    return Optimized(made, record, home)


def _graph(model: onnx.ModelProto | ir.Model, home: Path) -> ir.Model:
    """Return a graph that can be changed without changing the model; weights are shared.

    Raises:
        UsageError: It is no model.
        BadModelError: It contradicts itself.
    """
    if isinstance(model, onnx.ModelProto):
        return model_of(model, home / IN_MEMORY)
    if isinstance(model, ir.Model):
        return model.clone()
    raise UsageError(
        f"a {type(model).__name__} is no model in memory",
        fix="give an onnx.ModelProto or an onnx_ir.Model; "
        "for a file, optimize_model(OptimizeOptions(model=FILE, output=OUT))",
    )


def _check_inputs(graph: ir.Model, inputs: Mapping[str, np.ndarray]) -> None:
    """Raise UsageError unless there is one array for each input of the graph."""
    wanted = {v.name for v in graph.graph.inputs if v.name not in graph.graph.initializers}
    if wanted != inputs.keys():
        raise UsageError(
            f"the inputs given are {', '.join(sorted(inputs)) or 'none'}",
            fix=f"give one array for each of {', '.join(sorted(map(str, wanted)))}",
        )


def _refuse_invalid(model: onnx.ModelProto | ir.Model, cause: Exception) -> None:
    """Raise BadModelError if the model that was given breaks ONNX's rules."""
    proto = model if isinstance(model, onnx.ModelProto) else ir.to_proto(model)
    external = any(t.data_location == onnx.TensorProto.EXTERNAL for t in proto.graph.initializer)
    if not external and proto.ByteSize() < onnx.checker.MAXIMUM_PROTOBUF:
        refuse_invalid(proto, cause)
