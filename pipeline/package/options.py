"""What `pipeline package` can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from pipeline.errors import UsageError
from pipeline.options import settle
from pipeline.types import Precision

PackageFormat = Literal["optimum", "genai", "transformers-js", "triton"]
FORMATS: tuple[str, ...] = get_args(PackageFormat)


@dataclass(frozen=True)
class PackageOptions:
    """Everything that decides a package.

    Attributes:
        folder: The artifact folder.
        output: The folder to write, which must not exist; with several formats, each is a folder in
            it of the format's name.
        formats: For which runtimes: `optimum` (Optimum, sentence-transformers), `genai`
            (onnxruntime-genai), `transformers-js` (transformers.js in node and browsers), `triton`
            (a model repository).
        variant: Which graphs, such as `ort-cpu-fp32` or `exported`; empty takes those that were
            optimized for ONNX Runtime last.
        precision: Which of the optimized graphs; unset takes any.
        verify: Load a copy of each package in its own runtime, in a process of its own, and compare
            its answers.
        python: By format, the Python in whose environment that runtime is installed; this one
            where none is named.
        node_modules: The folder in whose `node_modules` transformers.js is installed; the working
            directory unless given.
        seed: Decides the inputs of the check.

    Examples:
        >>> from pipeline import PackageOptions
        >>> PackageOptions("out", "packages", ("optimum", "genai"), verify=False).formats
        ('optimum', 'genai')
    """

    folder: Path
    output: Path
    formats: tuple[PackageFormat, ...]
    variant: str = ""
    precision: Precision | None = None
    verify: bool = True
    python: Mapping[str, Path] = field(default_factory=dict)
    node_modules: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise UsageError for a value outside its range."""
        settle(self)
        if not self.formats:
            raise UsageError("no format was named", fix=f"--format {' or '.join(FORMATS)}")
        object.__setattr__(self, "formats", tuple(dict.fromkeys(self.formats)))
        if strange := sorted(set(self.python) - set(self.formats)):
            raise UsageError(
                f"--python names {', '.join(strange)}, for which nothing is packaged",
                fix=f"the formats are {', '.join(self.formats)}",
            )
        if self.node_modules is not None and "transformers-js" not in self.formats:
            raise UsageError("--node-modules is used for transformers-js, which is not packaged")
        for word in ("python", "node_modules"):
            if getattr(self, word) and not self.verify:
                option = f"--{word.replace('_', '-')}"
                raise UsageError(f"{option} is used for the check, which --no-verify leaves out")
