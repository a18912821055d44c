"""Inputs kept in files."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np

from pipeline import errors

# numpy stores what it does not know as raw bytes; the name of the type rides in the key.
_MARK = "::"
_STRANGE = ("bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")


def save_inputs(path: Path, inputs: Mapping[str, np.ndarray]) -> None:
    """Write inputs as one .npz, which `load_inputs` reads back bit for bit."""
    stored = {}
    for name, array in inputs.items():
        plain = array.dtype.kind in "fiub"
        key = name if plain else f"{name}{_MARK}{array.dtype.name}"
        stored[key] = array if plain else array.view(f"u{array.dtype.itemsize}")
    with path.open("wb") as file:
        np.savez(file, **stored)  # type: ignore[arg-type]


def load_inputs(path: Path) -> dict[str, np.ndarray]:
    """Return the inputs in a .npz by name.

    Raises:
        UsageError: there is no such file, or it is no .npz of plain arrays.
    """
    try:
        # Opened here, since numpy leaves a file it cannot read open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return dict(_named(key, file[key]) for key in file.files)
    except (OSError, EOFError, ValueError, AttributeError, zipfile.BadZipFile) as err:
        raise errors.UsageError(
            f"inputs cannot be read: {err}",
            where=str(path),
            fix="store them with numpy.savez, one array per input, named as the input",
        ) from err


def _named(key: str, array: np.ndarray) -> tuple[str, np.ndarray]:
    name, _, dtype = key.rpartition(_MARK)
    if array.dtype.kind == "u" and dtype in _STRANGE:
        return name, array.view(getattr(ml_dtypes, dtype))
    return key, array
