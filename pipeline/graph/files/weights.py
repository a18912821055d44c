"""Data files of weights: refer to those in place, copy those elsewhere, write the new ones."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx_ir as ir

SMALL = 1024  # bytes up to which a tensor always stays in the graph's file
PAGE = 4096
CHUNK = 1 << 24
_FICLONE = 0x40049409  # Linux: share the blocks of another file


@dataclass
class Placed:
    """Where each weight will lie.

    Attributes:
        tensors: What to write in the graph for a weight, where that differs from what it holds.
        files: The data files written.
    """

    tensors: dict[ir.Value, ir.TensorProtocol] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)


def referenced_weights(model: ir.Model, folder: Path, home: Path, inline_limit: int) -> Placed:
    """Return tensors that refer to data files in `home`, writing into `folder` what is not there.

    Args:
        model: Its initializers are placed, those of subgraphs too.
        folder: Where new data files are written.
        home: Where the graph will lie in the end, with data files it may refer to.
        inline_limit: Total bytes of new tensors up to which they stay in the graph.
    """
    placed = Placed()
    foreign: dict[Path, list[ir.Value]] = {}
    new: list[ir.Value] = []
    for value in _initializers(model):
        tensor = value.const_value
        if isinstance(tensor, ir.ExternalTensor):
            source = Path(tensor.path)
            if source.parent.resolve() in (home.resolve(), folder.resolve()):
                if str(tensor.location) != source.name:
                    placed.tensors[value] = _moved(tensor, source.name)
            else:
                foreign.setdefault(source, []).append(value)
        elif tensor is not None and tensor.nbytes > SMALL and tensor.dtype != ir.DataType.STRING:
            new.append(value)
    for source, values in foreign.items():
        used = {(t.offset, t.length): t.nbytes for t in _external(values)}
        if 2 * sum(used.values()) < source.stat().st_size:
            new.extend(values)  # most of that file is not ours
            continue
        copy = _copy(source, folder)
        placed.files.append(copy)
        for value, tensor in zip(values, _external(values), strict=True):
            placed.tensors[value] = _moved(tensor, copy.name)
    _write_new(new, folder, inline_limit, placed)
    return placed


def _initializers(model: ir.Model) -> Iterator[ir.Value]:
    yield from model.graph.initializers.values()
    for graph in model.graph.subgraphs():
        yield from graph.initializers.values()


def _external(values: list[ir.Value]) -> list[ir.ExternalTensor]:
    return [v.const_value for v in values if isinstance(v.const_value, ir.ExternalTensor)]


def _moved(tensor: ir.ExternalTensor, name: str) -> ir.ExternalTensor:
    assert isinstance(tensor.shape, ir.Shape)
    return ir.ExternalTensor(
        name,
        tensor.offset,
        tensor.length,
        tensor.dtype,
        shape=tensor.shape,
        name=tensor.name or "",
        base_dir=tensor.base_dir,
    )


def _write_new(values: list[ir.Value], folder: Path, inline_limit: int, placed: Placed) -> None:
    tensors = {id(v.const_value): v.const_value for v in values if v.const_value is not None}
    inline = not any(isinstance(t, ir.ExternalTensor) for t in tensors.values())
    if not tensors or (inline and sum(t.nbytes for t in tensors.values()) <= inline_limit):
        return
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".weights-")
    offsets: dict[int, tuple[int, int]] = {}
    digest = hashlib.sha256()
    try:
        with os.fdopen(handle, "wb") as file:
            for key, tensor in tensors.items():
                offsets[key] = _append(file, tensor, digest)
            file.flush()
            os.fsync(file.fileno())
        data = _named(Path(temporary), digest.hexdigest(), folder)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    placed.files.append(data)
    for value in values:
        old = value.const_value
        assert old is not None
        offset, length = offsets[id(old)]
        shape = ir.Shape([int(d) for d in old.shape.numpy()])
        placed.tensors[value] = ir.ExternalTensor(
            data.name, offset, length, old.dtype, shape=shape, name=value.name or "",
            base_dir=folder,
        )  # fmt: skip


def _append(file: BinaryIO, tensor: ir.TensorProtocol, digest: hashlib._Hash) -> tuple[int, int]:
    """Write one tensor behind the others; return its offset and length in bytes."""
    start = file.tell()
    align = PAGE if tensor.nbytes >= 2**20 else 64
    padding = bytes(-start % align)
    file.write(padding)
    digest.update(padding)
    length = 0
    for chunk in _chunks(tensor):
        file.write(chunk)
        digest.update(chunk)
        length += len(chunk)
    return start + len(padding), length


def _chunks(tensor: ir.TensorProtocol) -> Iterator[memoryview]:
    """Yield a tensor's little-endian bytes without a second copy of it in memory."""
    array = tensor.numpy()
    plain = array.nbytes == tensor.nbytes and sys.byteorder == "little"
    if plain and array.size:
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    else:
        data = memoryview(tensor.tobytes())
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]


def _named(temporary: Path, digest: str, folder: Path) -> Path:
    """Give a finished data file the name of its contents, or drop it if that is there."""
    final = folder / f"weights-{digest[:20]}.data"
    if final.exists() and final.stat().st_size == temporary.stat().st_size:
        temporary.unlink()
    else:
        temporary.chmod(0o644)
        os.replace(temporary, final)
    return final


def _copy(source: Path, folder: Path) -> Path:
    """Copy a data file, sharing its blocks where the file system can."""
    digest = hashlib.sha256()
    with source.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    handle, name = tempfile.mkstemp(dir=folder, prefix=".weights-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as target, source.open("rb") as file:
            if not _reflinked(file, target):
                shutil.copyfileobj(file, target, CHUNK)
        return _named(temporary, digest.hexdigest(), folder)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _reflinked(source: BinaryIO, target: BinaryIO) -> bool:
    try:
        import fcntl

        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
    except (ImportError, OSError):
        return False
    return True
