"""Names that tell files apart in a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path


def distinct_names(files: Sequence[Path]) -> list[str]:
    """Return the file names, with folders in front where names repeat.

    A file that is named again, as one does to see how much two measurements of the same thing
    differ, has its number behind it: `model.onnx`, `model.onnx (2)`.
    """
    names: list[str] = []
    for depth in range(1, 1 + max((len(path.parts) for path in files), default=0)):
        names = ["/".join(path.parts[-depth:]) for path in files]
        if len(set(names)) == len(set(files)):
            break
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return numbered
