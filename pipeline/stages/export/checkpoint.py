"""Is a folder a whole, safe Hugging Face checkpoint? Decided from its files, without torch."""

from __future__ import annotations

import operator
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.errors import BadModelError
from pipeline.received_json import parse_json
from pipeline.stages.export.adapter_files import CONFIG as ADAPTER
from pipeline.stages.export.adapter_files import Adapter, base_of, read_adapter
from pipeline.stages.export.sentence_files import SentenceFolder, read_sentence_folder

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SINGLE = ("model.safetensors", "pytorch_model.bin")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json", "spiece.model",
                   "sentencepiece.bpe.model", "source.spm", "tekken.json")  # fmt: skip
HEADER_LIMIT = 100_000_000  # bytes: the format's own cap on a header
LAYER_COUNTS = ("layers", "n_layer")
MOST_LAYERS = 2048  # twice the deepest transformer published (DeepNet); each costs time to build


@dataclass(frozen=True)
class Checkpoint:
    """A checked folder.

    Attributes:
        folder: Where it lies.
        config: Its config.json, empty for a GGUF file, which carries its own.
        weights: The weight files in use.
        gguf: Name of the GGUF file, or None.
        tokenizer: Whether files of a tokenizer lie there.
        sentence: What makes it a sentence encoder; None for any other model.
        adapters: What is merged into it, in order.
        own_texts: Folder of its tokenizer, None where it lies with the model.
    """

    folder: Path
    config: Mapping[str, Any]
    weights: tuple[Path, ...]
    gguf: str | None
    tokenizer: bool
    sentence: SentenceFolder | None = None
    adapters: tuple[Adapter, ...] = ()
    own_texts: Path | None = None

    @property
    def texts(self) -> Path:
        """The folder of its tokenizer."""
        return self.own_texts or self.folder

    @property
    def files(self) -> tuple[Path, ...]:
        """Return every file that decides the export: weights, and the small text files."""
        kinds = ("*.json", "*.model", "*.txt", "*.py", "*.spm", "*.jinja", "*.tiktoken")
        small = {path for kind in kinds for path in self.folder.glob(kind) if path.is_file()}
        more = self.sentence.files if self.sentence is not None else ()
        merged = (file for adapter in self.adapters for file in adapter.files)
        small -= set(self.weights)
        return tuple(dict.fromkeys((*self.weights, *sorted(small), *more, *merged)))


def read_checkpoint(path: Path, adapter: Path | None = None) -> Checkpoint:
    """Return what lies in a checkpoint folder, or in a single GGUF file.

    An adapter's folder stands for the model that it names, if that lies on this machine, with the
    adapter merged; an adapter beside a model's own weights is merged too.

    Args:
        path: The folder or file.
        adapter: Folder of a further adapter.

    Raises:
        BadModelError: It is no checkpoint, or an incomplete or damaged one.
        UsageError: An adapter is of a kind that is not merged here, or its model is not here.
    """
    adapters = [read_adapter(folder) for folder in (path, adapter) if folder and _adapts(folder)]
    if adapter is not None and not _adapts(adapter):
        raise BadModelError(f"no {ADAPTER} in the folder", where=f"--adapter {adapter}")
    if _adapts(path) and not (path / "config.json").is_file():
        base = read_checkpoint(base_of(adapters[0]))
        own = path if _has_tokenizer(path) else base.texts
        found = replace(base, own_texts=own, tokenizer=base.tokenizer or own == path)
    else:
        found = _plain(path)
    return replace(found, adapters=(*found.adapters, *adapters))


def _adapts(folder: Path) -> bool:
    return (folder / ADAPTER).is_file()


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in TOKENIZER_FILES)


def _plain(path: Path) -> Checkpoint:
    """Return a checkpoint without adapters."""
    if path.is_file():
        return _gguf(path)
    sentence = read_sentence_folder(path)
    if sentence is not None:
        path = sentence.encoder
    config_file = path / "config.json"
    if not config_file.is_file():
        single = sorted(path.glob("*.gguf"))
        if len(single) == 1:
            return _gguf(single[0])
        raise BadModelError(
            _not_a_checkpoint(path, single), where=str(path), fix=_what_instead(path, single)
        )
    config = _json(config_file)
    _check_config(config, config_file)
    weights = _weight_files(path)
    for file in weights:
        _check_file(file)
    return Checkpoint(path, config, weights, None, _has_tokenizer(path), sentence)


def _not_a_checkpoint(path: Path, gguf: list[Path]) -> str:
    if len(gguf) > 1:
        return f"{len(gguf)} GGUF files and no config.json: which one is meant?"
    held = sorted(p.name for p in path.iterdir())[:5]
    return f"no config.json in the folder (it holds {', '.join(held) or 'nothing'})"


def _what_instead(path: Path, gguf: list[Path]) -> str:
    if gguf:
        return f"name one, e.g. {gguf[0]}"
    if (path / "params.json").is_file():
        return f"this looks like Meta's layout: use a preset, e.g. llama2-7b --checkpoint {path}"
    return "give the folder that from_pretrained() takes: config.json, weights, tokenizer"


def _gguf(path: Path) -> Checkpoint:
    if path.suffix != ".gguf":
        raise BadModelError(
            f"{path.name} is not a checkpoint",
            where=str(path),
            fix="give a folder with config.json, a .gguf file, or file.py:function",
        )
    with path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise _damaged(path, "does not begin with GGUF")
    return Checkpoint(path.parent, {}, (path,), path.name, True)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_bytes())
    except (OSError, ValueError) as err:
        raise BadModelError(
            f"{path.name} cannot be read: {err}", where=str(path), fix="download it again"
        ) from err
    if not isinstance(content, dict):
        raise _damaged(path, "is not an object")
    return content


def _check_config(config: Mapping[str, Any], path: Path) -> None:
    """Raise BadModelError for kinds that are no names and sizes that no model has."""
    kind = config.get("model_type")
    if not isinstance(kind, str | None):
        raise _damaged(path, f"has a model_type that is a {type(kind).__name__}: {str(kind)[:80]}")
    nested = [(f"{key}.", value) for key, value in config.items() if isinstance(value, dict)]
    for prefix, entries in [("", config), *nested]:
        for key, value in entries.items():
            counted = str(key).endswith(LAYER_COUNTS) and isinstance(value, int)
            if counted and value > MOST_LAYERS:
                raise _damaged(path, f"has {prefix}{key}={value}: above {MOST_LAYERS} layers")


def _weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the weight files from_pretrained would take; an index must have all its shards."""
    for index, single in zip(INDEXES, SINGLE, strict=True):
        if (folder / single).is_file():
            return (folder / single,)
        if (folder / index).is_file():
            return _shards(folder / index)
    stray = sorted(
        p.name for kind in ("*.safetensors", "*.bin", "*.pth") for p in folder.glob(kind)
    )
    raise BadModelError(
        "config.json has no weights beside it"
        + (f"; {', '.join(stray[:4])} belong to no index" if stray else ""),
        where=str(folder),
        fix=f"add {' or '.join(SINGLE)}, or the shards with their index"
        + ("; the index may be missing from a half download" if stray else ""),
    )


def _shards(index: Path) -> tuple[Path, ...]:
    mapping = _json(index).get("weight_map")
    if not isinstance(mapping, dict) or not mapping:
        raise _damaged(index, "has no weight_map")
    names = sorted({str(name) for name in mapping.values()})
    outside = [name for name in names if Path(name).name != name]
    if outside:
        raise _damaged(index, f"points out of the folder: {outside[0]}")
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise BadModelError(
            f"{len(missing)} of {len(names)} weight files are missing: {', '.join(missing[:4])}",
            where=str(index.parent),
            fix="download them; a checkpoint is exported whole or not at all",
        )
    return tuple(index.parent / name for name in names)


def _check_file(path: Path) -> None:
    """Raise BadModelError for a pointer of git-lfs, a truncated file, or not that format."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(8)
        if head.startswith(b"version "):
            raise BadModelError(
                f"{path.name} is a git-lfs pointer, not the weights",
                where=str(path),
                fix="run `git lfs pull` in that folder",
            )
        if path.suffix != ".safetensors":
            return
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else HEADER_LIMIT
        if length > min(HEADER_LIMIT, size - 8):
            raise _damaged(path, f"is cut off or not safetensors ({size} bytes)")
        try:
            header = parse_json(stream.read(length))
            told = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
            ends = [operator.index(end) for end in told]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as err:
            raise _damaged(path, f"has an unreadable header ({err})") from err
    expected = 8 + length + max(ends, default=0)
    if expected != size:
        raise _damaged(path, f"has {size} bytes where its header speaks of {expected}")


def _damaged(path: Path, how: str) -> BadModelError:
    return BadModelError(f"{path.name} {how}", where=str(path), fix="download it again")
