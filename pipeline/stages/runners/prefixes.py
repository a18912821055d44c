"""Caches of texts that were read before: a prompt that begins like one of them is read from there.

Chats begin with the same system prompt, and each turn with all turns before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.stages.runners.kv_cache import Arrays

WORTH = 8  # fewer positions are read again as fast as they are fetched


@dataclass(frozen=True, eq=False)
class _Read:
    ids: np.ndarray  # [P]
    arrays: Arrays  # each [1, H, P, D]

    @property
    def size(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())

    def shared(self, ids: np.ndarray) -> int:
        """Return how many ids this text and another have in common from the start."""
        most = min(len(self.ids), len(ids))
        apart = np.flatnonzero(self.ids[:most] != ids[:most])
        return int(apart[0]) if len(apart) else most


class Prefixes:
    """The latest texts that fit into so much memory.

    Args:
        most_bytes: Of their caches together; 0 keeps none.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most, self._size = most_bytes, 0
        self._kept: list[_Read] = []  # the latest used last

    def __len__(self) -> int:
        """Return how many texts are kept."""
        return len(self._kept)

    @property
    def size(self) -> int:
        """Bytes of what is kept."""
        return self._size

    @property
    def wanted(self) -> bool:
        """Whether anything is kept at all."""
        return self._most > 0

    def longest(self, prompt: Sequence[int]) -> Arrays:
        """Return the cache of the longest beginning that was read before, empty where none was.

        Args:
            prompt: Ids; its last one is never found, since its scores have to be computed.

        Returns:
            Arrays [1, H, P, D] of P < len(prompt) positions.
        """
        ids = np.asarray(prompt[:-1], np.int64)
        found = max(self._kept, key=lambda read: read.shared(ids), default=None)
        length = found.shared(ids) if found else 0
        if found is None or length < WORTH:
            return {}
        self._kept.remove(found)
        self._kept.append(found)
        return {name: array[:, :, :length] for name, array in found.arrays.items()}

    def keep(self, ids: Sequence[int], arrays: Arrays) -> None:
        """Remember the cache of a text, in place of those that it begins with.

        Args:
            ids: The text, [P].
            arrays: Its cache, each [1, H, P, D]; the caller does not change them any more.
        """
        new = _Read(np.array(ids, np.int64), arrays)
        if len(ids) < WORTH or new.size > self._most:
            return
        if any(read.shared(new.ids) == len(new.ids) for read in self._kept):
            return  # a longer one has it already
        self._kept = [read for read in self._kept if read.shared(new.ids) < len(read.ids)]
        self._kept.append(new)
        self._size = sum(read.size for read in self._kept)
        while self._size > self._most:
            self._size -= self._kept.pop(0).size
