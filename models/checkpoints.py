"""Reads checkpoint folders safely: JSON, safetensors, and pickles of tensors only."""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from models.errors import ModelError

_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_SINGLES = ("model.safetensors", "weights.safetensors", "pytorch_model.bin")


def read_json(path: Path) -> dict[str, object]:
    """Return the object in the file.

    Raises:
        ModelError: The file is missing, is not JSON, or holds no object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path.name} cannot be read: {error}", where=str(path.parent),
            fix="check that this is a model's folder and that its download finished",
        ) from error  # fmt: skip
    if not isinstance(found, dict):
        raise ModelError(f"{path.name} holds no JSON object", where=str(path))
    return found


def read_pickle(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .bin or .pth file, memory-mapped; code in it is never run.

    Raises:
        ModelError: The file is truncated, or would execute code.
    """
    try:
        try:
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError as error:
            if "mmap can only be used" not in str(error):
                raise
            found = torch.load(path, map_location="cpu", weights_only=True)  # the oldest format
    except pickle.UnpicklingError as error:
        if not _names_code(path):
            raise ModelError(
                f"{path.name} cannot be read: it is no file of torch.save's",
                where=str(path), fix="download it again",
            ) from error  # fmt: skip
        raise ModelError(
            f"{path.name} holds more than tensors and was not loaded: it could execute code",
            where=str(path), fix="get the checkpoint as safetensors from someone you trust",
        ) from error  # fmt: skip
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        first_line = str(error).split("\n", 1)[0]
        raise ModelError(
            f"{path.name} cannot be read: {first_line}", where=str(path), fix="download it again"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(t, Tensor) for t in found.values()):
        raise ModelError(f"{path.name} is not a dictionary of tensors", where=str(path))
    return {str(name): tensor for name, tensor in found.items()}


def _names_code(path: Path) -> bool:
    """Return whether the pickle names functions or classes; it is parsed, never run."""
    data = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            data = b"".join(archive.read(n) for n in archive.namelist() if n.endswith("/data.pkl"))
    stream = io.BytesIO(data)
    try:
        while stream.tell() < len(data):  # the oldest format is several pickles in a row
            for operation, _, _ in pickletools.genops(stream):
                if operation.name in ("GLOBAL", "STACK_GLOBAL", "INST"):
                    return True
    except ValueError:  # not a pickle, or raw tensor data behind the last one
        return False
    return False


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file.

    Raises:
        ModelError: The file is truncated or not safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"{path.name} cannot be read: {error}", where=str(path), fix="download it again"
        ) from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Return all tensors of a folder in Hugging Face's layout, one file or several.

    Raises:
        ModelError: There are no weights, or a file the index names is missing.
    """
    for name in _INDEXES:
        if (folder / name).is_file():
            return _read_indexed(folder, name)
    for name in _SINGLES:
        if (folder / name).is_file():
            return _read_file(folder / name)
    raise ModelError(
        f"no weights: none of {', '.join((*_INDEXES, *_SINGLES))} is there",
        where=str(folder),
        fix="give the folder that holds config and weights together",
    )


def _read_indexed(folder: Path, index: str) -> dict[str, Tensor]:
    places = read_json(folder / index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ModelError(f"{index} has no weight_map", where=str(folder), fix="download it again")
    files = sorted({str(place) for place in places.values()})
    for name in files:
        if Path(name).name != name:
            raise ModelError(f"{index} points outside its folder: {name}", where=str(folder))
        if not (folder / name).is_file():
            raise ModelError(
                f"{name} is missing, one of {len(files)} shards that {index} names",
                where=str(folder),
                fix="download every shard of the checkpoint",
            )
    tensors: dict[str, Tensor] = {}
    for name in files:
        tensors.update(_read_file(folder / name))
    absent = sorted(places.keys() - tensors.keys())
    if absent:
        raise ModelError(
            f"{len(absent)} weights that {index} names are in no shard, {absent[0]} first",
            where=str(folder), fix="download every shard of the checkpoint",
        )  # fmt: skip
    return tensors


def _read_file(path: Path) -> dict[str, Tensor]:
    return read_safetensors(path) if path.suffix == ".safetensors" else read_pickle(path)
