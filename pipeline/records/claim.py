"""One promise and what the artifact says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

ClaimState: TypeAlias = Literal["kept", "broken", "unchecked"]


@dataclass(frozen=True)
class Claim:
    """A promise, its state, and the evidence found in the artifact itself.

    Attributes:
        claim: What was promised, in words.
        state: `unchecked` where this machine lacks what the check needs.
        evidence: What was read, with numbers.
        where: The file it was read from, relative to the folder; empty for none.
    """

    claim: str
    state: ClaimState
    evidence: str
    where: str
