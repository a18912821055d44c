"""Which data files a graph refers to, read off its bytes without parsing it.

An external tensor is written as key and value, `location` and a path: protobuf puts them one
after the other, so the paths of a graph are found in one pass and without loading a framework.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_LOCATION = re.compile(rb"\x0a\x08location\x12")  # key = "location", then the value's tag
_GRAPHS = (".onnx",)


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


def _locations(data: mmap.mmap) -> Iterator[str]:
    for match in _LOCATION.finditer(data):
        length, start = _varint(data, match.end())
        text = data[start : start + length].decode("utf-8", "replace")
        path = PurePosixPath(text)
        if text and not path.is_absolute() and ".." not in path.parts:  # others are refused later
            yield str(path)


def _varint(data: mmap.mmap, start: int) -> tuple[int, int]:
    """Return a length in protobuf's variable-size form, and where what it measures begins."""
    value = shift = 0
    for place in range(start, min(start + 5, len(data))):
        value |= (data[place] & 0x7F) << shift
        shift += 7
        if not data[place] & 0x80:
            return value, place + 1
    return 0, start
