"""One data file for the weights of all parts: each tensor once, named by its contents."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pipeline.errors import FolderError
from pipeline.stages.export.clean import torch_data

if TYPE_CHECKING:
    import onnx_ir as ir
    from torch import Tensor

ALIGNMENT = 4096  # bytes: a page, so that a runtime can map a tensor instead of copying it
INLINE_BYTES = 1024  # smaller tensors stay in the graph, where constant folding sees them
DIGEST_LENGTH = 20  # hex digits in the file name


@dataclass(frozen=True)
class Placed:
    """A tensor of the model and where the data file holds it, row by row as its shape says."""

    tensor: Tensor
    offset: int


@dataclass(frozen=True)
class Written:
    """The data file: its name, empty when there was nothing to write, and what it holds."""

    name: str
    bytes: int
    tensors: int
    shared: int
    placed: tuple[Placed, ...] = ()


def write_weights(
    models: Iterable[ir.Model], folder: Path, advance: Callable[[int, int], None]
) -> Written:
    """Write the big initializers of all models to folder/weights-<digest>.data and point to it.

    One tensor is in memory at a time. A tensor met before, by memory or by contents, is not
    written again: parts and tied weights share it.

    Args:
        models: Their initializers are replaced by references into the file.
        folder: Where the models will be saved too.
        advance: Called with bytes done and bytes in all.

    Raises:
        FolderError: They do not fit on the disk.
        OSError: Writing failed.
    """
    values = [
        value
        for model in models
        for value in model.graph.initializers.values()
        if value.const_value is not None and value.const_value.nbytes >= INLINE_BYTES
    ]
    if not values:
        return Written("", 0, 0, 0)
    total = sum(value.const_value.nbytes for value in values if value.const_value is not None)
    _check_space(total, folder)
    temporary = folder / ".weights.partial"
    writer = _Writer()
    try:
        with temporary.open("wb") as stream:
            done = 0
            for value in values:
                writer.place(value, stream)
                done += value.const_value.nbytes if value.const_value is not None else 0
                advance(done, total)
        name = f"weights-{writer.digest.hexdigest()[:DIGEST_LENGTH]}.data"
        temporary.replace(folder / name)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    placed = [
        Placed(tensor, writer.places[id(value)][0])
        for value in values
        if (tensor := torch_data(value)) is not None
    ]
    for value in values:
        _refer(value, writer.places[id(value)], folder, name)
    shared = len(values) - len(writer.by_content)
    return Written(name, writer.offset, len(writer.by_content), shared, tuple(placed))


def _check_space(total: int, folder: Path) -> None:
    """Raise FolderError where the weights cannot fit, before an hour is spent on finding out."""
    free = shutil.disk_usage(folder).free
    if total > free:
        raise FolderError(
            f"the weights take up to {total / 1e9:.1f} GB and {free / 1e9:.1f} GB are free",
            where=str(folder),
            fix="free space there, or name another folder with -o",
        )


class _Writer:
    """Appends tensors and remembers where each one lies, by value and by contents."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.offset = 0
        self.places: dict[int, tuple[int, int]] = {}
        self.by_content: dict[bytes, tuple[int, int]] = {}

    def place(self, value: ir.Value, stream: BinaryIO) -> None:
        """Write the value's tensor unless the same bytes are in the file already."""
        assert value.const_value is not None
        data = memoryview(value.const_value.tobytes())
        content = hashlib.sha256(data).digest()
        place = self.by_content.get(content)
        if place is None:
            padding = -self.offset % ALIGNMENT
            stream.write(bytes(padding))
            place = (self.offset + padding, len(data))
            stream.write(data)
            self.offset = sum(place)
            self.by_content[content] = place
            self.digest.update(content)  # the order and contents decide the file: one hash of each
        self.places[id(value)] = place


def _refer(value: ir.Value, place: tuple[int, int], folder: Path, name: str) -> None:
    import onnx_ir as ir

    tensor = value.const_value
    assert tensor is not None
    value.const_value = ir.ExternalTensor(
        location=name,
        offset=place[0],
        length=place[1],
        dtype=tensor.dtype,
        shape=ir.Shape(tensor.shape.numpy()),
        name=value.name or "",
        base_dir=folder,
    )
