"""Files of an artifact."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.records.record import Place


@dataclass(frozen=True)
class FileRecord:
    """One file of an artifact.

    Attributes:
        path: Relative to the folder, with forward slashes.
        sha256: Of the bytes, in hex.
        bytes: Size in bytes.
        shared: True for weights that another stage wrote and this one's graphs refer to.
    """

    path: Place
    sha256: str
    bytes: int
    shared: bool
