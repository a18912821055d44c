"""What a file must satisfy before it becomes a graph; nothing here reads weights.

A model file comes from anyone. Everything a later stage takes for granted is checked on the
protobuf message, in time linear in the file: names are defined before they are used and only
once, tensors hold as many bytes as their dims say, data files lie inside the model's folder.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pipeline.errors import BadModelError, first_line
from pipeline.graph.files.function_checks import check_size

if TYPE_CHECKING:
    import onnx

MAX_DEPTH = 16  # nested If / Loop bodies; real models have three at most
MAX_ELEMENTS = 2**48
_BITS = {  # element type number -> bits, ONNX's TensorProto.DataType
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64,
    15: 128, 16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}  # fmt: skip
_STRING = 8


def check_model(model: onnx.ModelProto, path: Path) -> None:
    """Raise BadModelError if the message is no sound model; data files are only looked up."""
    if not model.HasField("graph") or not model.graph.output:
        raise BadModelError(
            "The file holds no ONNX graph with outputs.",
            where=str(path),
            fix="Check that the file is an ONNX model and was downloaded whole.",
        )
    if not any(o.domain in ("", "ai.onnx") for o in model.opset_import):
        raise BadModelError(
            "The model does not say which opset it uses.", where=str(path), fix="Export it again."
        )
    check_size(model, path)
    checker = _Checker(path, {o.domain: o.version for o in model.opset_import})
    checker.graph(model.graph, frozenset(), 0)
    for function in model.functions:
        checker.nodes(function.node, frozenset(function.input), 0, f"function {function.name}")


class _Checker:
    """Walks a model; holds the folder its data files must lie in."""

    def __init__(self, path: Path, opsets: dict[str, int]) -> None:
        from onnx.checker import C

        self.path, self.opsets = path, opsets
        self.context = C.CheckerContext()
        self.context.ir_version = 8
        self.context.opset_imports = opsets
        self.sizes: dict[str, int] = {}

    def fail(self, what: str, where: str, fix: str = "Export the model again.") -> BadModelError:
        """Return the error to raise."""
        return BadModelError(what, where=f"{self.path}: {where}", fix=fix)

    def graph(self, graph: onnx.GraphProto, outer: frozenset[str], depth: int) -> None:
        """Check one graph and the graphs inside it."""
        if depth > MAX_DEPTH:
            raise self.fail(f"Graphs are nested more than {MAX_DEPTH} deep.", f"graph {graph.name}")
        for tensor in graph.initializer:
            self.tensor(tensor)
        if graph.sparse_initializer:
            fix = "Write the weights as dense tensors; runtimes make them dense anyway."
            name = graph.sparse_initializer[0].values.name
            raise self.fail("Sparse weights are not supported.", f"sparse tensor {name!r}", fix)
        for value in (*graph.input, *graph.output, *graph.value_info):
            self.declared(value)
        inputs = self.unique([v.name for v in graph.input], "graph inputs")
        weights = self.unique([t.name for t in graph.initializer], "initializers")
        defined = outer | inputs | weights
        made = self.nodes(graph.node, defined, depth, f"graph {graph.name}")
        clash = next((n for n in made if n in inputs or n in weights), None)
        if clash is not None:
            raise self.fail(f"{clash!r} is both given and computed.", f"graph {graph.name}")
        for output in graph.output:
            if output.name not in defined and output.name not in made:
                raise self.fail("Nothing computes this output.", f"output {output.name!r}")

    def nodes(
        self, nodes: Sequence[onnx.NodeProto], defined: frozenset[str], depth: int, where: str
    ) -> set[str]:
        """Check nodes, whatever their order; return the names they define."""
        made: set[str] = set()
        for node in nodes:
            self.text(node, where)
            for name in node.output:
                if name and name in made:
                    raise self.fail(f"Two nodes compute {name!r}.", where)
                if name:
                    made.add(name)
        visible = defined | made
        for node in nodes:
            here = f"{node.op_type} node {node.name or list(node.output)!r}"
            for name in node.input:
                if name and name not in visible:
                    raise self.fail(f"The input {name!r} is not defined anywhere.", here)
            self.attributes(node, visible, depth, here)
            self.schema(node, here)
        return made

    def text(self, node: onnx.NodeProto, where: str) -> None:
        """Check that a node's names and labels are text; protobuf hands out bytes otherwise."""
        words = [node.name, node.op_type, node.domain, *node.input, *node.output]
        words += [word for entry in node.metadata_props for word in (entry.key, entry.value)]
        for word in words:
            if not isinstance(word, str):
                raise self.fail(f"{word[:40]!r} is not UTF-8 text.", f"{where}, a node's names")

    def attributes(
        self, node: onnx.NodeProto, names: frozenset[str], depth: int, where: str
    ) -> None:
        """Check the tensors and graphs a node carries."""
        seen: set[str] = set()
        for attribute in node.attribute:
            if attribute.name in seen:
                raise self.fail(f"The attribute {attribute.name!r} occurs twice.", where)
            seen.add(attribute.name)
            if attribute.HasField("t"):
                self.tensor(attribute.t)
            for tensor in attribute.tensors:
                self.tensor(tensor)
            if attribute.HasField("g"):
                self.graph(attribute.g, names, depth + 1)
            for graph in attribute.graphs:
                self.graph(graph, names, depth + 1)

    def schema(self, node: onnx.NodeProto, where: str) -> None:
        """Check a standard node's inputs, outputs and attributes against its definition."""
        from onnx import checker, defs

        domain = "" if node.domain == "ai.onnx" else node.domain
        version = self.opsets.get(domain, 0)
        if domain or not version or not defs.has(node.op_type, version, domain):
            return
        schema = defs.get_schema(node.op_type, version, domain)
        counts = ((node.input, schema.min_input, schema.max_input, "inputs"),
                  (node.output, schema.min_output, schema.max_output, "outputs"))  # fmt: skip
        for given, least, most, what in counts:
            if not least <= len(given) <= most:
                raise self.fail(f"It has {len(given)} {what}, not {least} to {most}.", where)
        if any(a.HasField("g") or a.HasField("t") or a.graphs for a in node.attribute):
            return  # their contents are checked here, without copying them
        try:
            checker.check_node(node, self.context)
        except checker.ValidationError as error:
            why = first_line(error)
            raise self.fail(f"The node breaks its operator's definition: {why}", where) from error

    def unique(self, names: list[str], what: str) -> set[str]:
        """Return the names as a set; raise if one occurs twice or is empty."""
        found = set(names)
        if len(found) != len(names):
            twice = next(n for n in found if names.count(n) > 1)
            raise self.fail(f"{twice!r} occurs twice among the {what}.", f"graph {what}")
        if "" in found:
            raise self.fail(f"One of the {what} has no name.", f"graph {what}")
        return found

    def declared(self, value: onnx.ValueInfoProto) -> None:
        """Check a declared type; a negative size is what some tools write for an open one."""
        kind, where = value.type.tensor_type, f"value {value.name!r}"
        if not value.type.HasField("tensor_type"):
            return
        if kind.elem_type and kind.elem_type not in _BITS and kind.elem_type != _STRING:
            raise self.fail(f"Element type {kind.elem_type} does not exist.", where)
        for dim in kind.shape.dim:
            if dim.HasField("dim_value") and dim.dim_value < 0:
                dim.ClearField("dim_value")
            elif dim.dim_value > MAX_ELEMENTS:
                raise self.fail(f"A size of {dim.dim_value} is absurd.", where)

    def tensor(self, tensor: onnx.TensorProto) -> None:
        """Check that a tensor holds as many bytes as its dims and type say."""
        where = f"tensor {tensor.name!r}"
        elements = 1
        for dim in tensor.dims:
            elements *= dim
            if dim < 0 or elements > MAX_ELEMENTS:
                raise self.fail(f"The dims {list(tensor.dims)[:8]} are absurd.", where)
        if tensor.data_type == _STRING:
            if len(tensor.string_data) != elements:
                raise self.fail(f"It has {len(tensor.string_data)} of {elements} strings.", where)
            return
        if tensor.data_type not in _BITS:
            raise self.fail(f"Element type {tensor.data_type} does not exist.", where)
        size = (elements * _BITS[tensor.data_type] + 7) // 8
        if tensor.data_location == 1:
            self.external(tensor, size, where)
        elif tensor.HasField("raw_data"):
            if len(tensor.raw_data) != size:
                raise self.fail(f"It has {len(tensor.raw_data)} of {size} bytes.", where)
        elif not _typed_count_fits(tensor, elements):
            raise self.fail(f"Its data does not have the {elements} elements of its dims.", where)

    def external(self, tensor: onnx.TensorProto, size: int, where: str) -> None:
        """Check where a tensor's data lies, and that the file is long enough."""
        entries = {e.key: e.value for e in tensor.external_data}
        location = entries.get("location", "")
        try:
            offset = int(entries.get("offset", "0") or 0)
            length = int(entries.get("length", size) or 0)
        except ValueError as error:
            raise self.fail("Offset or length is not a number.", where) from error
        if location not in self.sizes:
            self.sizes[location] = self.data_size(location, where)
        if length != size:
            raise self.fail(f"Its data has {length} bytes, its dims and type need {size}.", where)
        if offset < 0 or offset + length > self.sizes[location]:
            raise self.fail(
                f"It needs bytes {offset} to {offset + length} of {location!r}, "
                f"which has {self.sizes[location]}.",
                where,
                "Copy the data file again, whole.",
            )

    def data_size(self, location: str, where: str) -> int:
        """Return the bytes of a data file that lies in the model's own folder."""
        parts = PurePosixPath(location.replace("\\", "/"))
        outside = parts.is_absolute() or ".." in parts.parts or not parts.parts or "\0" in location
        if outside or ":" in parts.parts[0]:
            raise self.fail(
                f"Its data file {location!r} is outside the model's folder.",
                where,
                "Put the data file beside the model and refer to it by its name.",
            )
        place = self.path.parent
        for part in parts.parts:
            place = place / part
            try:
                mode = os.lstat(place).st_mode
            except OSError as error:
                fix = "Copy the data file to the model's folder."
                raise self.fail(f"Its data file {location!r} is missing.", where, fix) from error
            if stat.S_ISLNK(mode) and not _stays_inside(place, self.path.parent):
                fix = "Copy the file itself, not a link to it."
                raise self.fail(f"Its data file {location!r} is a link elsewhere.", where, fix)
        if not place.is_file():
            raise self.fail(f"Its data file {location!r} is not a file.", where)
        found = place.stat()
        if found.st_nlink > 1:  # ONNX's readers refuse it as well: it may be a file of others
            fix = f"Make it a file of its own: `cp {place.name} copy && mv copy {place.name}`."
            raise self.fail(f"Its data file {location!r} has several hard links.", where, fix)
        return found.st_size


def _stays_inside(link: Path, folder: Path) -> bool:
    return link.resolve().is_relative_to(folder.resolve())


def _typed_count_fits(tensor: onnx.TensorProto, elements: int) -> bool:
    """Return whether the typed fields hold that many elements."""
    packed = 8 // _BITS[tensor.data_type] if _BITS[tensor.data_type] < 8 else 1
    needed = (elements + packed - 1) // packed
    complex_parts = 2 if tensor.data_type in (14, 15) else 1
    counts = (
        len(tensor.float_data), len(tensor.int32_data), len(tensor.int64_data),
        len(tensor.double_data), len(tensor.uint64_data),
    )  # fmt: skip
    # Some writers store one packed element per int32, others several.
    return sum(counts) in (needed * complex_parts, elements * complex_parts)
