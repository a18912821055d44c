"""What `pipeline pack` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.options import settle


@dataclass(frozen=True)
class PackOptions:
    """Everything that decides a bundle.

    Attributes:
        folder: The artifact folder.
        output: The `.tar` file to write.
        cases: Sets of inputs per part, of different sizes.
        seed: Decides their values.
        variants: Which variants to pack, such as `tensorrt-fp16`; empty packs all.

    Examples:
        >>> from pipeline import PackOptions
        >>> PackOptions("out", "bundle.tar", variants=("ort-cpu-fp32",)).cases
        3
    """

    folder: Path
    output: Path
    cases: int = 3
    seed: int = 0
    variants: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise UsageError for a value outside its range."""
        settle(self)
        if self.cases < 1:
            raise UsageError(f"--cases is {self.cases}", fix="1 or more")
        if self.output.suffix != ".tar":
            raise UsageError(f"a bundle ends in .tar, not {self.output.name!r}", where="-o")
