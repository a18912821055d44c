"""One entry for each attribute of a docstring that names several at once.

`low, high: The interval.` becomes two entries with the same text, each with its own type.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_SEVERAL = re.compile(r"^( {4})(\w+(?:, \w+)+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


class OneEach(griffe.Extension):
    """Rewrites docstrings before they are read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Split the entries of one object's docstring."""
        if obj.docstring is not None:
            obj.docstring.value = one_each(obj.docstring.value)


def one_each(docstring: str) -> str:
    """Return a docstring with an entry for each name."""
    return _SEVERAL.sub(
        lambda found: "\n".join(f"{found[1]}{name}: {found[3]}" for name in found[2].split(", ")),
        docstring,
    )
