"""One promise and what the artifact says of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from pipeline.types import Json

State = Literal["kept", "broken", "unchecked"]


@dataclass(frozen=True)
class Claim:
    """A promise, its state, and the evidence found in the artifact itself.

    Attributes:
        claim: What was promised, in words.
        state: `unchecked` where this machine lacks what the check needs.
        evidence: What was read, with numbers.
        where: The file it was read from, relative to the folder.
    """

    claim: str
    state: State
    evidence: str
    where: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return the fields by name."""
        return dict(asdict(self))


def judge(claim: str, good: bool, evidence: str, where: str = "") -> Claim:
    """Return the claim as kept or broken."""
    return Claim(claim, "kept" if good else "broken", evidence, where)
