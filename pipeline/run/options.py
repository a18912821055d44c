"""What `pipeline run` can be told: the model, the targets, and any option of any stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.options import settle
from pipeline.run.stages import STAGES, options_class
from pipeline.types import Target


@dataclass(frozen=True)
class RunOptions:
    """Everything that decides a run.

    Attributes:
        model: As `pipeline export` takes it: a path, hf:ORG/NAME, a preset, module:function.
        output: The artifact folder.
        targets: What to optimize for; engines are built for the tensorrt ones.
        skip: Stages to leave out.
        verify: Read the bytes of every file again instead of trusting size, time and inode.
        stages: Options of single stages by stage and field, such as {"export": {"opset": 21}}.

    Examples:
        >>> from pipeline import RunOptions
        >>> options = RunOptions("zh-en", "out", stages={"perf": {"batch": (1,)}})
        >>> options.of("perf")
        {'batch': (1,)}
    """

    model: str
    output: Path
    targets: tuple[Target, ...] = ("ort-cpu", "tensorrt")
    skip: tuple[str, ...] = ()
    verify: bool = False
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise UsageError for a name that does not exist."""
        settle(self)
        for stage in self.skip:
            _known(stage, STAGES[1:], "--skip")
        for stage, values in self.stages.items():
            _known(stage, STAGES, "stage")
            names = tuple(item.name for item in fields(options_class(stage)))
            for name in values:
                _known(name, names, f"option of {stage}")

    def of(self, stage: str) -> dict[str, Any]:
        """Return what was said for one stage."""
        return dict(self.stages.get(stage, {}))


def _known(name: str, allowed: tuple[str, ...], where: str) -> None:
    if name in allowed:
        return
    near = get_close_matches(name, allowed, 1)
    raise UsageError(
        f"{name!r} does not exist",
        where=where,
        fix=f"did you mean {near[0]}?" if near else f"choose among {', '.join(allowed)}",
    )
