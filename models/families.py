"""How a preset becomes a model and its parts; one branch per family."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from models.errors import ModelError
from models.parts import Part, transformer_parts
from models.presets import Preset
from models.transformer import Transformer, TransformerConfig
from models.weights import build_empty, fill_seeded


def build(preset: Preset, seed: int, checkpoint: Path | None) -> nn.Module:
    """Return the preset's model in eval mode; see Preset.build."""
    if checkpoint is not None:
        raise ModelError("checkpoints of this family are not read", fix="leave --checkpoint out")
    config = TransformerConfig(**preset.sizes)  # type: ignore[arg-type]
    return fill_seeded(build_empty(lambda: Transformer(config)), seed)


def parts(preset: Preset, model: nn.Module) -> dict[str, Part]:
    """Return the exportable parts of the preset's model."""
    assert isinstance(model, Transformer)
    return transformer_parts(model)
