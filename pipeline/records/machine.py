"""The machine that results depend on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What this machine and its Python are.

    Attributes:
        python: Version.
        system: Operating system and processor architecture.
        cpu: Its name, "unknown" where the system does not tell.
        cores: Logical ones that this process may use.
        memory_bytes: In all, 0 where the system does not tell.
    """

    python: str
    system: str
    cpu: str
    cores: int
    memory_bytes: int
