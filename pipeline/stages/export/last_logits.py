"""A decoder that gives the logits of its last position alone.

Generation reads no others, so a prompt of S tokens costs one row of the vocabulary's matrix, not S.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import ExportError, UsageError, first_line
from pipeline.stages.export.parts import ExportPart


def last_logits(part: ExportPart, head: nn.Module | None) -> ExportPart:
    """Return the part with logits [B, 1, V].

    Args:
        part: A decoder whose first output is logits [B, T, V].
        head: The module of the model that is given hidden states [B, T, W] near its end, and after
            which each position is on its own.

    Raises:
        ExportError: The model has no such head, or its logits come from elsewhere.
    """
    if head is None:
        raise _refused(part, "it names no output layer")
    head.register_forward_pre_hook(_last)
    try:
        with torch.no_grad():
            logits = part.module(*part.inputs.values())[0]
    except Exception as err:
        raise _refused(part, f"it fails with one position: {first_line(err)}") from err
    if logits.shape[1] != 1:
        raise _refused(part, "its logits do not come from its output layer")
    return part


def refuse_unless_generating(task: str) -> None:
    """Raise UsageError for a task whose logits are not those of a next token."""
    if task != "text-generation":
        raise UsageError(
            f"--logits last is for decoders that generate text, this is {task}",
            where="--logits last",
            fix="leave it out",
        )


def _last(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    states: Tensor = given[0]
    return states[:, -1:], *given[1:]


def _refused(part: ExportPart, why: str) -> ExportError:
    return ExportError(
        f"the logits of the last position alone cannot be had: {why}",
        where=type(getattr(part.module, "model", part.module)).__name__,
        fix="leave --logits last out",
    )
