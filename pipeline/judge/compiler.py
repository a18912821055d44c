"""From an onnx-ir graph to a Plan: slots, kernels, subgraphs and constants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import onnx_ir as ir

from pipeline import errors
from pipeline.judge.constants import Constants
from pipeline.judge.dtypes import DECLARED, Precision
from pipeline.judge.fallback import place_of, reference_kernel
from pipeline.judge.index_arithmetic import index_nodes, joined
from pipeline.judge.op import Kernel, Maker, Op
from pipeline.judge.plan import Loader, Plan, Step, set_lifetimes
from pipeline.judge.rounding import rounded
from pipeline.judge.table import TABLE

_GRAPHS = (ir.AttributeType.GRAPH,)
_AI = ("", "ai.onnx")


class Compiler:
    """Compiles graphs of one model for one precision.

    Args:
        functions: The model's own functions, run as graphs of their own.
        opsets: Opset version by domain.
        precision: How floats are held.
        constants: Weights and constants, shared by every plan of a judge.
    """

    def __init__(
        self,
        functions: Mapping[ir.OperatorIdentifier, ir.Function],
        opsets: Mapping[str, int],
        precision: Precision,
        constants: Constants,
    ) -> None:
        self._functions = functions
        self._opsets = {("" if d in _AI else d): v for d, v in opsets.items()}
        self.precision = precision
        self.constants = constants

    def plan(
        self,
        nodes: Iterable[ir.Node],
        inputs: Sequence[ir.Value],
        outputs: Sequence[ir.Value],
        bindings: Mapping[str, ir.Attr] | None = None,
    ) -> Plan:
        """Return the plan that computes `outputs` from `inputs`, in the order of `nodes`.

        Values that neither the nodes nor the constants yield count as captured.
        """
        return _Draft(self, bindings or {}).finish(list(nodes), inputs, outputs)

    def kernel(
        self,
        node: ir.Node,
        attributes: Mapping[str, ir.Attr],
        bodies: Mapping[str, Plan],
        is_index: bool,
    ) -> Kernel:
        """Return what runs one node, in its declared type where it is index arithmetic.

        Raises:
            UnsupportedOpError: nobody knows the operator.
        """
        function = self._functions.get(node.op_identifier())
        if function is not None:
            return self._call(function, attributes)
        return self._native(node, attributes, bodies, DECLARED if is_index else self.precision)

    def _native(
        self,
        node: ir.Node,
        attributes: Mapping[str, ir.Attr],
        bodies: Mapping[str, Plan],
        precision: Precision,
    ) -> Kernel:
        domain = "" if node.domain in _AI else node.domain
        op = Op(
            kind=node.op_type,
            domain=domain,
            version=self._opsets.get(domain, 1),
            attributes={n: _decoded(a) for n, a in attributes.items() if a.type not in _GRAPHS},
            input_types=tuple(None if v is None else v.dtype for v in node.inputs),
            outputs=tuple(bool(v.name) for v in node.outputs),
            precision=precision,
            bodies=bodies,
        )
        maker: Maker | None = TABLE.get((domain, node.op_type))
        if maker is None:
            kernel = reference_kernel(node, self._opsets, precision)
        else:
            kernel = _with_rescue(_made(maker, op, node), node, self._opsets, precision)
        return rounded(op, kernel) if precision.rounds else kernel

    def _call(self, function: ir.Function, attributes: Mapping[str, ir.Attr]) -> Kernel:
        bindings = {**function.attributes, **attributes}
        opsets = {**self._opsets, **function.opset_imports}
        inner = Compiler(self._functions, opsets, self.precision, self.constants)
        plan = inner.plan(function, function.inputs, function.outputs, bindings)
        formal = len(function.inputs)

        def kernel(*inputs: Any) -> Any:
            padded = [*inputs, *[None] * (formal - len(inputs))]
            results = plan(padded)
            return tuple(results) if len(results) > 1 else results[0]

        return kernel


class _Draft:
    """The state of compiling one graph."""

    def __init__(self, compiler: Compiler, bindings: Mapping[str, ir.Attr]) -> None:
        self._compiler = compiler
        self._bindings = bindings
        self._slots: dict[ir.Value, int] = {}
        self._names: list[str] = [""]
        self._template: list[Any] = [None]
        self._loaders: dict[int, Loader] = {}
        self._captured: list[ir.Value] = []
        self._index_nodes: set[ir.Node] = set()

    def finish(
        self, nodes: list[ir.Node], inputs: Sequence[ir.Value], outputs: Sequence[ir.Value]
    ) -> Plan:
        entry = tuple(self._new(value) for value in inputs)
        if self._compiler.precision.hold is not None:
            self._index_nodes = index_nodes(nodes, inputs)
        steps = [self._step(node) for node in nodes if not self._is_constant(node)]
        results = tuple(self._read(value) for value in outputs)
        set_lifetimes(steps, set(results), self._loaders)
        return Plan(
            steps=steps,
            template=self._template,
            inputs=entry,
            captured=tuple(self._slots[value] for value in self._captured),
            outputs=results,
            names=self._names,
            loads=tuple((s, self._loaders[s]) for s in set(results) if s in self._loaders),
        )

    def captured(self) -> list[ir.Value]:
        return self._captured

    def _is_constant(self, node: ir.Node) -> bool:
        if node.op_type != "Constant" or node.domain not in _AI:
            return False
        # Inside a function the value may be an attribute of the call.
        return not any(a.is_ref() for a in node.attributes.values())

    def _new(self, value: ir.Value) -> int:
        slot = self._slots[value] = len(self._template)
        self._template.append(None)
        self._names.append(value.name or "")
        return slot

    def _write(self, value: ir.Value) -> int:
        if value not in self._slots:
            return self._new(value)
        # The value was fed: what the node computes goes where nobody reads.
        self._template.append(None)
        self._names.append("")
        return len(self._template) - 1

    def _read(self, value: ir.Value | None, *, native: bool = False) -> int:
        if value is None:
            return 0
        if native and self._compiler.constants.is_constant(value):
            return self._native(value)
        if value in self._slots:
            return self._slots[value]
        slot = self._new(value)
        loader = self._compiler.constants.loader(value)
        if loader is None:
            self._captured.append(value)
        elif self._compiler.constants.keeps(value):
            self._template[slot] = loader()
        else:
            self._loaders[slot] = loader
        return slot

    def _native(self, value: ir.Value) -> int:
        """Return a slot of its own for a small constant in the type the file gives it."""
        self._template.append(self._compiler.constants.native(value))
        self._names.append("")
        return len(self._template) - 1

    def _step(self, node: ir.Node) -> Step:
        attributes = {
            name: attr if not attr.is_ref() else self._bindings.get(attr.ref_attr_name or "")
            for name, attr in node.attributes.items()
        }
        bound = {name: attr for name, attr in attributes.items() if attr is not None}
        if node.op_type == "Constant" and node.domain in _AI:
            return self._late_constant(node, bound)
        bodies: dict[str, Plan] = {}
        outer: dict[ir.Value, None] = {}
        drafts = {}
        for name, attr in bound.items():
            if attr.type in _GRAPHS:
                graph = attr.as_graph()
                drafts[name] = draft = _Draft(self._compiler, self._bindings)
                bodies[name] = draft.finish(list(graph), graph.inputs, graph.outputs)
                outer.update(dict.fromkeys(draft.captured()))
        order = list(outer)
        for name, draft in drafts.items():
            bodies[name] = _taking(bodies[name], draft.captured(), order)
        is_index = node in self._index_nodes
        kernel = self._compiler.kernel(node, bound, bodies, is_index)
        values = [*node.inputs, *order]
        reads = tuple(self._read(v, native=is_index) for v in values)
        held = self._compiler.precision.hold
        if held is not None and not is_index and node.op_type != "Cast" and self._mixed(values):
            kernel = joined(kernel, held)
        return Step(kernel, node, reads, tuple(self._write(v) for v in node.outputs))

    def _mixed(self, values: Sequence[ir.Value | None]) -> bool:
        return any(v is not None and v.producer() in self._index_nodes for v in values)

    def _late_constant(self, node: ir.Node, attributes: Mapping[str, ir.Attr]) -> Step:
        tensor = self._compiler.constants.from_attributes(attributes)
        return Step(lambda: tensor, node, (), (self._new(node.outputs[0]),))


def _taking(plan: Plan, mine: Sequence[ir.Value], order: Sequence[ir.Value]) -> Plan:
    """Return the plan with captured slots for every value of `order`, unused ones in slot 0."""
    slots = dict(zip(mine, plan.captured, strict=True))
    spare = len(plan.template)
    plan.template.append(None)
    plan.names.append("")
    plan.captured = tuple(slots.get(value, spare) for value in order)
    return plan


def _decoded(attr: ir.Attr) -> Any:
    kind = attr.type
    if kind == ir.AttributeType.STRING:
        return attr.as_string()
    if kind == ir.AttributeType.STRINGS:
        return tuple(attr.as_strings())
    if kind in (ir.AttributeType.INTS, ir.AttributeType.FLOATS):
        return tuple(attr.value)
    return attr.value


def _made(maker: Maker, op: Op, node: ir.Node) -> Kernel:
    try:
        return maker(op)
    except (KeyError, TypeError, ValueError) as err:
        raise errors.BadModelError(
            f"{op.kind} cannot be judged as it stands: {err}",
            where=place_of(node),
            fix="check the node's attributes with onnx.checker",
        ) from err


def _with_rescue(
    kernel: Kernel, node: ir.Node, opsets: Mapping[str, int], precision: Precision
) -> Kernel:
    """Return the kernel, rescued by onnx.reference where torch lacks it for an element type."""
    rescue: list[Kernel] = []

    def call(*inputs: Any) -> Any:
        try:
            return kernel(*inputs)
        except NotImplementedError:
            if not rescue:
                rescue.append(reference_kernel(node, opsets, precision))
            return rescue[0](*inputs)

    return call
