"""Load and save ONNX files: weights stay on disk, and hostile files are refused.

Loading maps external data lazily, so a model larger than memory costs what its graph costs.
Saving writes the graph atomically; weights that already lie beside it are referred to, new ones
go in a further data file named by its contents, so several graphs in one folder share weights.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import onnx_ir as ir

from pipeline.errors import BadModelError, FolderError
from pipeline.graph.files.checks import check_model
from pipeline.graph.files.weights import referenced_weights

if TYPE_CHECKING:
    import onnx

PROTOBUF_LIMIT = 2**31 - 1


def load_model(path: Path | str) -> ir.Model:
    """Return the model of an ONNX file; external weights are mapped, not read.

    Raises:
        BadModelError: The file cannot be read, is damaged, contradicts itself, or refers to data
            outside its folder.
    """
    path = Path(path)
    return model_of(_read(path), path)


def model_of(proto: onnx.ModelProto, path: Path) -> ir.Model:
    """Return the model of a message, which stays as it is; its weights are referred to.

    Args:
        proto: From anyone.
        path: Where it lies: data files are looked for beside it, and errors name it.

    Raises:
        BadModelError: It contradicts itself, or refers to data outside its folder.
    """
    try:
        check_model(proto, path)
        model = ir.from_proto(proto)
        ir.external_data.set_base_dir(model.graph, path.parent)
        _sort(model.graph)
    except BadModelError:
        raise
    except Exception as error:  # the library raises many kinds on what the checks do not cover
        raise BadModelError(
            f"The graph cannot be understood: {str(error)[:300]}",
            where=str(path),
            fix="Export the model again.",
        ) from error
    return model


def _read(path: Path) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        size = path.stat().st_size
        if not path.is_file():
            raise BadModelError("This is not a file.", where=str(path), fix="Name an ONNX file.")
        if size == 0 or size > PROTOBUF_LIMIT:
            state = "is empty" if size == 0 else f"has {size} bytes, more than protobuf can hold"
            fix = "Export it again" + (", with external data." if size else ".")
            raise BadModelError(f"The file {state}.", where=str(path), fix=fix)
        data = path.read_bytes()
    except OSError as error:
        raise BadModelError(
            f"The file cannot be read: {error.strerror}.", where=str(path), fix="Check the path."
        ) from error
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except DecodeError as error:
        raise BadModelError(
            "The file is not an ONNX model, or is cut short.",
            where=str(path),
            fix="Check that it was downloaded or copied whole.",
        ) from error
    return proto


def _sort(graph: ir.Graph) -> None:
    """Put nodes behind what they use.

    Raises:
        BadModelError: There is a cycle.
    """
    try:
        graph.sort()
    except ValueError as error:
        raise BadModelError(
            "The graph has a cycle: a node needs its own result.",
            where=f"graph {graph.name}",
            fix="Export the model again.",
        ) from error


def opset_of(model: ir.Model) -> int:
    """Return the version of the standard operators the model uses."""
    imports = model.opset_imports
    return imports.get("", imports.get("ai.onnx", 0))


def save_model(
    model: ir.Model,
    path: Path | str,
    *,
    weights: Path | str | None = None,
    inline_limit: int = 2**20,
) -> list[Path]:
    """Write the model and return the files written, the graph last.

    Args:
        model: The model; it is left as it was.
        path: The file to write. It appears at once and whole, or not at all.
        weights: The folder whose data files the graph may refer to by name, because the graph
            will lie there in the end; the graph's own folder unless given.
        inline_limit: Total bytes of new weights up to which they are kept in the graph's file.

    Raises:
        FolderError: The folder cannot be written or the disk is full.
        BadModelError: It holds something no file can, such as text that is not UTF-8.
    """
    path = Path(path)
    home = path.parent if weights is None else Path(weights)
    try:
        placed = referenced_weights(model, path.parent, home, inline_limit)
        originals = {value: value.const_value for value in placed.tensors}
        try:
            for value, tensor in placed.tensors.items():
                value.const_value = tensor
            data = _serialized(model, path)
        finally:
            for value, original in originals.items():
                value.const_value = original
        write_atomically(path, data)
    except (OSError, ValueError) as error:
        raise FolderError(
            f"The model cannot be written: {error}",
            where=str(path),
            fix="Check the folder's permissions and the free space of its disk.",
        ) from error
    return [*placed.files, path]


def refuse_invalid(model: Path | str | onnx.ModelProto, cause: BaseException) -> None:
    """Raise BadModelError if ONNX's own checker finds fault with a model; return if it does not.

    For one that made a stage stumble: a graph against the specification is its own fault, anything
    else is ours.

    Args:
        model: A file, or a message without weights in data files, which the checker could not find.
        cause: What the stage stumbled over.
    """
    import onnx

    is_file = isinstance(model, (str, Path))
    try:
        onnx.checker.check_model(str(model) if is_file else model, full_check=True)
    except Exception as error:  # the checker has several kinds, none of them public
        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        raise BadModelError(
            f"The model breaks ONNX's rules: {(lines or ['unknown'])[0][:300]}",
            where=str(model) if is_file else "the model in memory",
            fix="Export it again; `python -m onnx.checker` shows all that is wrong.",
        ) from cause


def _serialized(model: ir.Model, path: Path) -> bytes:
    try:
        data: bytes = ir.to_proto(model).SerializeToString()
    except ir.serde.SerdeError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise BadModelError(
            f"The model holds something that cannot be written: {cause}",
            where=str(path),
            fix="Export the model again; the file is damaged.",
        ) from error
    return data


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
