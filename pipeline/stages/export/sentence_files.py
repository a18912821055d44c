"""The folder of a sentence encoder: modules.json and what it names, read without torch.

**Source**: sentence-transformers' documentation, "Creating Custom Models"; its modules Transformer,
Pooling, Dense, LayerNorm, Normalize and Dropout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pipeline.errors import BadModelError, UsageError
from pipeline.received_json import parse_json
from pipeline.records.task import Pooling

MODULES = "modules.json"
SETTINGS = "config_sentence_transformers.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
# Under the names of the flags in a pooling's configuration; joined in this order.
POOLINGS: dict[str, Pooling] = {
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_tokens": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len",
    "weightedmean_tokens": "weightedmean",
    "lasttoken": "lasttoken",
}
STEPS = {"Dense": "dense", "LayerNorm": "layer_norm", "Normalize": "normalize"}


@dataclass(frozen=True)
class Step:
    """One module behind the pooling.

    Attributes:
        kind: `dense`, `layer_norm` or `normalize`.
        settings: Its configuration.
        weights: The file of its weights, None where it has none.
    """

    kind: str
    settings: Mapping[str, Any]
    weights: Path | None = None


@dataclass(frozen=True)
class SentenceFolder:
    """What a sentence encoder is made of.

    Attributes:
        encoder: The folder of its transformer.
        pooling: How tokens become one vector.
        steps: What follows.
        max_length, lower_case: How the tokenizer is used.
        prompts, default_prompt, pools_prompt: What may stand before a text.
        files: Every file that was read or will be, the transformer's own left out.
    """

    encoder: Path
    pooling: tuple[Pooling, ...]
    steps: tuple[Step, ...]
    max_length: int | None
    lower_case: bool
    prompts: Mapping[str, str]
    default_prompt: str | None
    pools_prompt: bool
    files: tuple[Path, ...]


def read_sentence_folder(folder: Path) -> SentenceFolder | None:
    """Return what a folder's modules.json says, None where there is none.

    Raises:
        BadModelError: It cannot be read, or a file that it names is absent.
        UsageError: It names a module that has no form here.
    """
    index = folder / MODULES
    if not index.is_file():
        return None
    modules = _modules(index)
    kinds = [kind for kind, _ in modules]
    if kinds[:2] != ["Transformer", "Pooling"]:
        raise _unsupported(index, f"begins with {', '.join(kinds[:2]) or 'nothing'}")
    encoder, pooled = modules[0][1], _settings(modules[1][1])
    steps, files = [], [index, modules[1][1] / "config.json"]
    for kind, place in modules[2:]:
        if kind == "Dropout":
            continue  # does nothing outside training
        if kind not in STEPS:
            raise _unsupported(index, f"names {kind}")
        step = _step(kind, place)
        steps.append(step)
        files += [place / "config.json", *([step.weights] if step.weights else [])]
    own, told = _first_json(encoder, "sentence_*_config.json"), folder / SETTINGS
    settings = _object(told) if told.is_file() else {}
    prompts = settings.get("prompts") or {}
    return SentenceFolder(
        encoder=encoder,
        pooling=_pooling(pooled, index),
        steps=tuple(steps),
        max_length=_whole(own.get("max_seq_length"), encoder),
        lower_case=bool(own.get("do_lower_case", False)),
        prompts={str(name): str(text) for name, text in dict(prompts).items()},
        default_prompt=settings.get("default_prompt_name"),
        pools_prompt=bool(pooled.get("include_prompt", True)),
        files=tuple(file for file in (*files, told) if file.is_file()),
    )


def _modules(index: Path) -> list[tuple[str, Path]]:
    """Return kind and folder of each module, in order."""
    content = _read(index)
    if not isinstance(content, list):
        raise _damaged(index, "is not a list")
    found = []
    for entry in content:
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            raise _damaged(index, "has an entry without a type")
        path = str(entry.get("path", ""))
        place = index.parent / path
        if not place.resolve().is_relative_to(index.parent.resolve()):
            raise _damaged(index, f"points out of the folder: {path}")
        found.append((entry["type"].rpartition(".")[2], place))
    return found


def _pooling(settings: Mapping[str, Any], index: Path) -> tuple[Pooling, ...]:
    named = settings.get("pooling_mode")
    if named is not None:
        wanted = tuple(str(named).split("+"))
    else:
        on = {name for name, value in settings.items() if value is True}
        wanted = tuple(mode for flag, mode in POOLINGS.items() if f"pooling_mode_{flag}" in on)
    unknown = [mode for mode in wanted if mode not in get_args(Pooling)]
    if unknown or not wanted:
        raise _unsupported(index, f"pools by {', '.join(unknown) or 'nothing'}")
    return wanted  # type: ignore[return-value]


def _step(kind: str, place: Path) -> Step:
    if kind == "Normalize":
        return Step(STEPS[kind], {})
    settings = _settings(place)
    other = {settings.get(name) for name in ("module_input_name", "module_output_name")}
    if other - {None, "sentence_embedding"}:
        raise _unsupported(place, f"is a {kind} of something else than the sentence's vector")
    weights = next((place / name for name in WEIGHTS if (place / name).is_file()), None)
    if weights is None:
        raise _damaged(place, f"has none of {', '.join(WEIGHTS)}")
    return Step(STEPS[kind], settings, weights)


def _settings(place: Path) -> dict[str, Any]:
    return _object(place / "config.json")


def _first_json(folder: Path, pattern: str) -> dict[str, Any]:
    found = sorted(folder.glob(pattern))
    return _object(found[0]) if found else {}


def _object(path: Path) -> dict[str, Any]:
    content = _read(path)
    if not isinstance(content, dict):
        raise _damaged(path, "is not an object")
    return content


def _read(path: Path) -> Any:
    try:
        return parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _damaged(path, f"cannot be read: {error}") from error


def _whole(value: Any, folder: Path) -> int | None:
    if value is None or (isinstance(value, int) and value > 0):
        return value
    raise _damaged(folder, f"has a max_seq_length of {value!r}")


def _damaged(path: Path, how: str) -> BadModelError:
    return BadModelError(f"{path.name} {how}", where=str(path), fix="download it again")


def _unsupported(path: Path, how: str) -> UsageError:
    return UsageError(
        f"this sentence encoder {how}, which has no form here",
        where=str(path),
        fix="wrap it in a function that returns the model and example inputs: file.py:function",
    )
