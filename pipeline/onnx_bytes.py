"""What a graph's bytes say without loading a framework: its data files, the types of its weights.

An external tensor is written as key and value, `location` and a path: protobuf puts them one
after the other, so the paths of a graph are found in one pass over its bytes. The types of
weights are found by walking protobuf's fields, which say how long they are, and are passed over.

**Source**: protobuf's encoding (protobuf.dev/programming-guides/encoding), onnx.proto.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_LOCATION = re.compile(rb"\x0a\x08location\x12")  # key = "location", then the value's tag
_GRAPHS = (".onnx",)
_GRAPH, _INITIALIZER, _DATA_TYPE = 7, 5, 2  # of ModelProto, GraphProto, TensorProto
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5  # how a field is written
_LONGEST_VARINT = 10


def data_files(graph: Path) -> list[str]:
    """Return the paths, relative to the graph's folder, of the data files it refers to."""
    if graph.suffix not in _GRAPHS or graph.stat().st_size == 0:
        return []
    with graph.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return sorted({name for name in _locations(data) if name})


def size_with_data(graph: Path) -> int:
    """Return the bytes of a graph's file and of the data files it refers to, where they exist."""
    files = [graph, *(graph.parent / name for name in data_files(graph))]
    return sum(file.stat().st_size for file in files if file.is_file())


def weight_types(graph: Path) -> set[int]:
    """Return the types (TensorProto.DataType) of a graph's own initializers.

    Raises:
        ValueError: The file is empty, or no protobuf.
    """
    with graph.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return {
            kind
            for _, begin, end in _fields(data, 0, len(data), _GRAPH)
            for _, start, stop in _fields(data, begin, end, _INITIALIZER)
            for kind, _, _ in _fields(data, start, stop, _DATA_TYPE)
        }


def _locations(data: mmap.mmap) -> Iterator[str]:
    for match in _LOCATION.finditer(data):
        try:
            length, start = _varint(data, match.end())
        except ValueError:
            continue
        text = data[start : start + length].decode("utf-8", "replace")
        path = PurePosixPath(text)
        if text and not path.is_absolute() and ".." not in path.parts:  # others are refused later
            yield str(path)


def _fields(data: mmap.mmap, start: int, end: int, wanted: int) -> Iterator[tuple[int, int, int]]:
    """Yield each field of one number: its value if that is a varint, and where its bytes lie.

    Raises:
        ValueError: What lies there is not in protobuf's form.
    """
    while start < end:
        key, start = _varint(data, start)
        value, stop = 0, start
        if key & 7 == _VARINT:
            value, stop = _varint(data, start)
        elif key & 7 == _BYTES:
            value, start = _varint(data, start)
            stop = start + value
        elif key & 7 in (_FIXED_64, _FIXED_32):
            stop = start + (8 if key & 7 == _FIXED_64 else 4)
        else:
            raise ValueError(f"no field of protobuf at byte {start}")
        if stop > end:
            raise ValueError(f"a field at byte {start} is longer than what holds it")
        if key >> 3 == wanted:
            yield value, start, stop
        start = stop


def _varint(data: mmap.mmap, start: int) -> tuple[int, int]:
    """Return a number in protobuf's variable-size form, and where what follows begins.

    Raises:
        ValueError: It does not end.
    """
    value = shift = 0
    for place in range(start, min(start + _LONGEST_VARINT, len(data))):
        value |= (data[place] & 0x7F) << shift
        shift += 7
        if not data[place] & 0x80:
            return value, place + 1
    raise ValueError(f"a number at byte {start} does not end")
