"""An adapter's folder: adapter_config.json and its weights, checked without torch.

**Source**: PEFT's documentation, "PEFT checkpoint format", and its LoraConfig.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import BadModelError, UsageError
from pipeline.received_json import parse_json

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
# Settings that change what an adapter does, and have no form here.
UNKNOWN = ("use_dora", "use_qalora", "layer_replication", "trainable_token_indices",
           "target_parameters", "lora_bias", "alora_invocation_tokens", "arrow_config")  # fmt: skip


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter that is merged into its model.

    Attributes:
        folder: Where it lies.
        weights: The file of its weights.
        alpha: Scales what it adds, divided by its rank.
        alphas: Other values of `alpha`, by the end of a module's name.
        root_of_rank: Whether the divisor is the root of the rank.
        transposed: Whether the model's matrices lie input first.
        base: What it says it was trained on.
    """

    folder: Path
    weights: Path
    alpha: float
    alphas: Mapping[str, float]
    root_of_rank: bool
    transposed: bool
    base: str

    @property
    def files(self) -> tuple[Path, ...]:
        """Return what decides the result."""
        return (self.folder / CONFIG, self.weights)


def read_adapter(folder: Path) -> Adapter:
    """Return the adapter in a folder.

    Raises:
        BadModelError: There is none, or a damaged one.
        UsageError: It is of a kind that is not merged here.
    """
    config = _config(folder / CONFIG)
    kind = str(config.get("peft_type", "?"))
    asked = [name for name in UNKNOWN if config.get(name)]
    if kind != "LORA" or asked:
        what = f"an adapter of kind {kind}" if kind != "LORA" else f"LoRA with {', '.join(asked)}"
        raise UsageError(
            f"{what} has no form here",
            where=str(folder / CONFIG),
            fix="merge it with peft (merge_and_unload), save the model, and export that",
        )
    weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        raise BadModelError(
            f"{CONFIG} has none of {', '.join(WEIGHTS)} beside it",
            where=str(folder),
            fix="download it again",
        )
    try:
        return Adapter(
            folder=folder,
            weights=weights,
            alpha=float(config["lora_alpha"]),
            alphas={str(k): float(v) for k, v in (config.get("alpha_pattern") or {}).items()},
            root_of_rank=bool(config.get("use_rslora", False)),
            transposed=bool(config.get("fan_in_fan_out", False)),
            base=str(config.get("base_model_name_or_path") or ""),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(folder / CONFIG, f"has no usable {error}") from error


def base_of(adapter: Adapter) -> Path:
    """Return the folder of the model that an adapter was trained on.

    Raises:
        UsageError: It is no folder on this machine.
    """
    for place in (Path(adapter.base), adapter.folder / adapter.base):
        if adapter.base and (place / "config.json").is_file():
            return place
    raise UsageError(
        f"this folder holds an adapter for {adapter.base or 'a model it does not name'}, "
        "and no model",
        where=str(adapter.folder),
        fix=f"give the model's folder, with --adapter {adapter.folder}",
    )


def _config(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _damaged(path, f"cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise _damaged(path, "is not an object")
    return content


def _damaged(path: Path, how: str) -> BadModelError:
    return BadModelError(f"{path.name} {how}", where=str(path), fix="download it again")
