"""The judge: one op-by-op ONNX interpreter on torch, in the precision asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir
import torch

from pipeline import errors
from pipeline.judge.compiler import Compiler
from pipeline.judge.constants import Constants
from pipeline.judge.dtypes import WIDE, precision_of, to_torch
from pipeline.judge.index_arithmetic import as_held
from pipeline.judge.plan import Observe, Plan

Feed = np.ndarray | torch.Tensor


class Judge:
    """Runs a model node by node; the reference against which everything else is measured.

    What each `dtype` does with float16, bfloat16, float32 and float64 tensors (float8 and
    integers always keep their own grid, and follow the operator's own definition):

    - ``"float64"``, ``"float32"``: all are held and computed in that type, whatever the file
      declares; a Cast between them changes nothing. This is what the graph *means*.
    - ``"float16"``, ``"bfloat16"``: weights, inputs and every node's result are rounded to
      that type; inside a node the arithmetic is float32, so one fused node rounds once. Casts
      between wide floats change nothing. With ``round_each=False`` only weights and inputs
      are rounded and the nodes run in float32: the part of the error that is storage alone.
    - ``"declared"``: each tensor has the type the graph itself gives it, a Cast rounds, and
      float16 / bfloat16 nodes compute in float32 and round their result. This is how a typed
      graph is judged: x * x at x = 300 is inf in float16 and 90112 in bfloat16.

    Operators follow their specification for ai.onnx and ONNX Runtime's behaviour for
    com.microsoft. What has no kernel here runs in onnx.reference.

    Args:
        model: The model, or the file that holds it. It must not change between runs.
        dtype: The mode, see above.
        round_each: Whether a rounding mode rounds after each node.
        cache_bytes: Converted weights kept between runs; beyond that they are converted when
            a node needs them and dropped after the last.

    Example:
        >>> judge = Judge(Path("bert.onnx"))                            # doctest: +SKIP
        >>> judge.run({"input_ids": ids}, outputs=["last_hidden_state"])  # doctest: +SKIP
    """

    def __init__(
        self,
        model: ir.Model | Path,
        dtype: str = "float64",
        round_each: bool = True,
        cache_bytes: int = 1 << 30,
    ) -> None:
        self._model = model if isinstance(model, ir.Model) else _loaded(model)
        self.precision = precision_of(dtype, round_each)
        constants = Constants(self.precision, cache_bytes)
        self._compiler = Compiler(
            self._model.functions, self._model.opset_imports, self.precision, constants
        )
        self._plans: dict[tuple[frozenset[str], tuple[str, ...]], tuple[Plan, list[str]]] = {}
        self._named: dict[str, ir.Value] | None = None

    @property
    def input_names(self) -> list[str]:
        """The graph inputs that have no default."""
        graph = self._model.graph
        return [v.name or "" for v in graph.inputs if v.name not in graph.initializers]

    @property
    def output_names(self) -> list[str]:
        """The graph outputs in order."""
        return [v.name or "" for v in self._model.graph.outputs]

    def run(
        self,
        feeds: Mapping[str, Feed],
        outputs: Sequence[str] | None = None,
        observe: Observe | None = None,
    ) -> dict[str, torch.Tensor]:
        """Return the named values, the graph's outputs by default.

        Args:
            feeds: Inputs by name; a name of an intermediate value replaces that value, and
                what only served to compute it is not run.
            outputs: Names of any values of the main graph.
            observe: Called with (name, tensor) for the inputs, then for each node's results
                as they appear; tensors are freed after their last use, so it should not keep
                them.

        Raises:
            UsageError: an unknown name, a missing input, or a feed of the wrong kind.
            BadModelError: an operator nobody has, or a node that cannot run.
        """
        wanted = tuple(self.output_names if outputs is None else outputs)
        key = (frozenset(feeds), wanted)
        if key not in self._plans:
            self._plans[key] = self._planned(feeds.keys(), wanted)
        plan, entry = self._plans[key]
        with torch.inference_mode():
            results = plan([self._fed(name, feeds[name]) for name in entry], (), observe)
        held = self.precision.hold
        if held is not None:
            # Values of index arithmetic come in types of their own.
            results = [as_held(result, held) for result in results]
        return dict(zip(wanted, results, strict=True))

    def _planned(self, feeds: Collection[str], wanted: Sequence[str]) -> tuple[Plan, list[str]]:
        targets = [self._value(name) for name in wanted]
        given = {self._value(name): name for name in feeds}
        nodes, reached = _needed(self._model.graph, targets, given.keys())
        missing = [
            v.name
            for v in self._model.graph.inputs
            if v in reached and v not in given and v.const_value is None
        ]
        if missing:
            raise errors.UsageError(
                f"no values for the inputs {', '.join(map(str, missing))}",
                fix=f"feed all of {', '.join(self.input_names)}",
            )
        entry = [value for value in given if value in reached]
        plan = self._compiler.plan(nodes, entry, targets)
        if plan.captured:
            lost = ", ".join(sorted(plan.names[slot] or "?" for slot in plan.captured))
            raise errors.BadModelError(
                f"nothing computes the values {lost}, which nodes read",
                where=self._model.graph.name or "",
                fix="check the graph with onnx.checker",
            )
        return plan, [given[v] for v in entry]

    def _value(self, name: str) -> ir.Value:
        if self._named is None:
            self._named = _values_by_name(self._model.graph)
        if name not in self._named:
            raise errors.UsageError(
                f"the graph has no value named {name!r}",
                fix=f"inputs: {', '.join(self.input_names)}; "
                f"outputs: {', '.join(self.output_names)}; or any node's output",
            )
        return self._named[name]

    def _fed(self, name: str, feed: Feed | list[Feed]) -> torch.Tensor | list[torch.Tensor]:
        if isinstance(feed, list):
            return [self._of(name, item) for item in feed]
        return self._of(name, feed)

    def _of(self, name: str, feed: Feed) -> torch.Tensor:
        tensor = feed if isinstance(feed, torch.Tensor) else to_torch(np.asarray(feed))
        declared = self._value(name).dtype
        if declared is None:
            return self.precision.of(tensor)
        held = self.precision.held(declared)
        if (tensor.dtype in WIDE) != (held in WIDE) or (tensor.dtype == torch.bool) != (
            held == torch.bool
        ):
            raise errors.UsageError(
                f"{name!r} is {declared.name} but was fed {tensor.dtype}",
                fix="feed the declared kind of number",
            )
        return self.precision.of(tensor).to(held)


def _needed(
    graph: ir.Graph, targets: Sequence[ir.Value], given: Collection[ir.Value]
) -> tuple[list[ir.Node], set[ir.Value]]:
    """Return the nodes that compute the targets from what is given, and every value read."""
    reached: set[ir.Value] = set()
    nodes: set[ir.Node] = set()
    todo = list(targets)
    while todo:
        value = todo.pop()
        if value in reached:
            continue
        reached.add(value)
        node = value.producer()
        if node is None or value in given or node in nodes:
            continue
        nodes.add(node)
        todo.extend(_reads(node))
    return [node for node in graph if node in nodes], reached


def _reads(node: ir.Node) -> list[ir.Value]:
    """Return what a node reads, its subgraphs' captures included."""
    values = [value for value in node.inputs if value is not None]
    for attr in node.attributes.values():
        if attr.type == ir.AttributeType.GRAPH and not attr.is_ref():
            graph = attr.as_graph()
            values.extend(graph.outputs)
            for inner in graph:
                values.extend(_reads(inner))
    return values


def _values_by_name(graph: ir.Graph) -> dict[str, ir.Value]:
    named = {value.name: value for value in graph.initializers.values() if value.name}
    named.update({value.name: value for value in graph.inputs if value.name})
    for node in graph:
        named.update({value.name: value for value in node.outputs if value.name})
    return named


def _loaded(path: Path) -> ir.Model:
    from pipeline.graph.files.model_file import load_model

    return load_model(path)
