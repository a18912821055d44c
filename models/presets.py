"""The models known by name; importing this file imports no framework.

A preset without weights of its own gets seeded random ones unless a checkpoint is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from models.parts import Part

Value = int | float | bool | str


@dataclass(frozen=True)
class Preset:
    """A model by name: family, sizes, what it is for, and where its own files lie.

    Attributes:
        family: The file in models/ that defines it.
        sizes: What differs from the family's default configuration.
        task: What its exported artifact does, in the words of Hugging Face's tasks.
        folder: Its tokenizer.json, config.json and weights.safetensors; None without any.
    """

    name: str
    family: str
    task: str
    sizes: Mapping[str, Value]
    folder: Path | None = None

    @property
    def random_weights(self) -> bool:
        """Return whether `build` without a checkpoint gives random weights."""
        return self.folder is None

    def build(self, seed: int = 0, checkpoint: Path | None = None) -> nn.Module:
        """Return the model in eval mode with float32 weights.

        Args:
            seed: Decides the random weights where there are no others.
            checkpoint: A folder whose weights and configuration replace the preset's own.

        Raises:
            ModelError: The checkpoint is incomplete, unsafe or of another family.
        """
        from models.families import build

        return build(self, seed, checkpoint)

    def parts(self, model: nn.Module) -> dict[str, Part]:
        """Return what is exported of `model`, by part: `model`, or `encoder` and `decoder`."""
        from models.families import parts

        return parts(self, model)


def _preset(
    name: str, family: str, task: str, folder: Path | None = None, **sizes: Value
) -> Preset:
    return Preset(name, family, task, MappingProxyType(sizes), folder)


_ALL = (
    _preset("transformer-base", "transformer", "translation"),
    _preset("transformer-big", "transformer", "translation", width=1024, heads=16, hidden=4096),
    _preset(
        "transformer-tiny", "transformer", "translation",
        source_vocab=97, target_vocab=89, width=32, heads=4, layers=2, hidden=64, max_length=64,
    ),
)  # fmt: skip

PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _ALL})
