"""The one error `models` raises on purpose.

ModelError (a ValueError): a checkpoint, configuration or text that cannot be used.
"""

from __future__ import annotations


class ModelError(ValueError):
    """An unusable checkpoint, configuration or input.

    Args:
        what: One sentence with the offending values.
        where: File, folder or parameter at fault, empty when there is none.
        fix: What the user can do, empty when nothing sensible can be said.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__(what)

    def __str__(self) -> str:
        """Return the parts on lines of their own, the empty ones left out."""
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.fix:
            lines.append(f"  fix:   {self.fix}")
        return "\n".join(lines)
