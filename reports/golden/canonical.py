"""An ONNX graph as text that does not depend on names or on the order of independent nodes.

Values are numbered by a walk from the graph's outputs, in their order, through each node's inputs,
in theirs: a node is written once, behind what it reads, and referred to by its number. So renaming
and sorting change nothing, while a node used twice differs from two equal nodes. Subgraphs are
written where they stand; what they read from outside is a number like any other. What no output
needs comes last, sorted by its own text (the file's order decides where two of these look alike).

The text holds operators, domains, attributes, wiring, a hash of every constant, functions, opsets,
names and types of the model's inputs and outputs; it lacks inner names, doc strings and metadata.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from typing import Any

import onnx
from google.protobuf import text_format


def digest(model: onnx.ModelProto, types: bool = False) -> str:
    """Return the sha256 of the canonical text."""
    return hashlib.sha256(canonical_text(model, types).encode()).hexdigest()


def canonical_text(model: onnx.ModelProto, types: bool = False) -> str:
    """Return a model with its weights loaded as text; `types`: also the types of inner values."""
    lines = [f"ir {model.ir_version}", *_imports(model)]
    for function in sorted(model.functions, key=lambda f: (f.domain, f.name, f.overload)):
        scope = _Scope(function, None, types)
        lines += [f"function {function.domain}:{function.name}:{function.overload}"]
        lines += [*_imports(function), *function.attribute]
        lines += sorted(scope.attribute(default) for default in function.attribute_proto)
        lines += [scope.whole()]
    return "\n".join([*lines, _Scope(model.graph, None, types).whole()])


class _Scope:
    """One graph or function being written, with the scope that surrounds it."""

    def __init__(self, graph: Any, outer: _Scope | None, types: bool) -> None:
        self.graph, self.outer, self.types = graph, outer, types
        self.makers = {name: node for node in graph.node for name in node.output if name}
        self.constants = {t.name: _text(t) for t in getattr(graph, "initializer", ())}
        for sparse in getattr(graph, "sparse_initializer", ()):
            self.constants[sparse.values.name] = _text(sparse)
        self.known = {value.name: _text(value.type) for value in graph.value_info if types}
        self.count: itertools.count[int] = outer.count if outer else itertools.count()
        self.numbers: dict[str, str] = {}
        self.lines: list[str] = []

    def whole(self) -> str:
        """Return inputs, what the outputs need, outputs, and what is left over."""
        for name, text in map(self._port, self.graph.input):
            default = self.constants.get(name, "")  # an initializer that a feed may replace
            self._new(name, f"input {text} {default}")
        for name, text in map(self._port, self.graph.output):
            self.lines.append(f"output {self.number(name)} {text}")
        for node in sorted(filter(self._waits, self.graph.node), key=self._alone):
            if self._waits(node):
                self._write(node)
        unused = self.constants.keys() - self.numbers.keys()
        return "\n".join(self.lines + sorted(f"unused {self.constants[name]}" for name in unused))

    def number(self, name: str) -> str:
        """Return the number of a value, after writing what it is made from."""
        if name and name not in self.numbers:
            if name in self.makers:
                self._write(self.makers[name])
            elif name in self.constants:
                self._new(name, self.constants[name])
            else:
                return self.outer.number(name) if self.outer else "?"
        return self.numbers[name] if name else "-"

    def attribute(self, attribute: onnx.AttributeProto) -> str:
        """Return one attribute as text, subgraphs whole."""
        if attribute.ref_attr_name:
            return f"{attribute.name}=@{attribute.ref_attr_name}"
        values = onnx.helper.get_attribute_value(attribute)
        if isinstance(values, bytes) or not isinstance(values, Iterable):
            values = [values]
        texts = [
            _Scope(v, self, self.types).whole() if isinstance(v, onnx.GraphProto) else _text(v)
            for v in values
        ]
        return f"{attribute.name}={attribute.type}[{', '.join(texts)}]"

    def _port(self, port: onnx.ValueInfoProto | str) -> tuple[str, str]:
        """Return an input's or output's name and text; a function's have no type."""
        if isinstance(port, str):
            return port, ""
        return port.name, f"{'' if self.outer else repr(port.name)}{_text(port.type)}"

    def _new(self, name: str, text: str) -> None:
        self.numbers[name] = str(next(self.count))
        self.lines.append(f"{self.numbers[name]} = {text}")

    def _waits(self, node: onnx.NodeProto) -> bool:
        return not any(node.output) or any(name not in self.numbers for name in node.output if name)

    def _write(self, node: onnx.NodeProto) -> None:
        """Write a node, first what it reads; on a stack of our own, as graphs are deep."""
        waiting = [node]
        while waiting:
            if len(waiting) > len(self.graph.node):
                raise ValueError("the graph has a cycle")
            inputs = waiting[-1].input
            name = next((n for n in inputs if n in self.makers and n not in self.numbers), None)
            if name is not None:
                waiting.append(self.makers[name])
            else:
                self._line(waiting.pop())

    def _line(self, node: onnx.NodeProto) -> None:
        inputs = " ".join(self.number(name) for name in node.input).rstrip(" -")
        attributes = [self.attribute(a) for a in sorted(node.attribute, key=lambda a: a.name)]
        number, made = next(self.count), []
        for position, name in enumerate(node.output):
            if name:
                self.numbers[name] = f"{number}.{position}"
                made.append(f"{self.numbers[name]}{self.known.get(name, '')}")
        kind = f"{node.domain}:{node.op_type}:{node.overload}"
        self.lines.append(f"{' '.join(made)} = {kind}({inputs}) {' '.join(attributes)}")

    def _alone(self, node: onnx.NodeProto) -> str:
        scope = _Scope(self.graph, None, self.types)  # as if nothing were written yet
        scope._write(node)
        return "\n".join(scope.lines)


def _imports(holder: Any) -> list[str]:
    return sorted(f"opset {entry.domain!r} {entry.version}" for entry in holder.opset_import)


def _text(value: Any) -> str:
    """Return a constant or a type as text; a tensor is hashed, whichever way it is stored."""
    if isinstance(value, onnx.TensorProto):
        array = onnx.numpy_helper.to_array(value)
        raw = repr(array.tolist()).encode() if array.dtype == object else array.tobytes()
        kind = onnx.TensorProto.DataType.Name(value.data_type)
        return f"{kind}{list(value.dims)}#{hashlib.sha256(raw).hexdigest()}"
    if isinstance(value, onnx.SparseTensorProto):
        return f"sparse{list(value.dims)} {_text(value.values)} {_text(value.indices)}"
    if isinstance(value, onnx.TypeProto):
        return f"<{' '.join(text_format.MessageToString(value, as_one_line=True).split())}>"
    return repr(value)
