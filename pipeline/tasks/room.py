"""How many positions prompt and answer may take, and what an answer is cut to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.errors import UsageError
from pipeline.records.export import GenerationSpec
from pipeline.tasks.settings import Settings

UNSET = 20  # transformers' max_length where nobody set one


@dataclass(frozen=True)
class Room:
    """How many positions a text may have, and what sets that limit: the model or its cache."""

    positions: int
    owner: str


def room_of(special: GenerationSpec, capacity: int) -> Room | None:
    """Return the positions there are for prompt and answer, None where nobody limits them.

    Args:
        special: Token ids and lengths of the model.
        capacity: Positions of a cache of fixed size, 0 for one that grows.
    """
    limit = special.max_length
    own = limit if limit is not None and limit > UNSET else None
    if capacity and (own is None or capacity < own):
        return Room(capacity, "cache")
    return None if own is None else Room(own, "model")


def fitted(
    options: Settings, rows: Sequence[Sequence[int]], room: Room | None, *, has_encoder: bool
) -> tuple[Settings, tuple[str, ...]]:
    """Return the options with no more new tokens than there are positions for, and a note.

    Raises:
        UsageError: The prompt does not fit, or, after an encoder, the answer.
    """
    if room is None:
        return options, ()
    longest, new = max(len(row) for row in rows), options.max_new_tokens
    if (max(longest, new + 1) if has_encoder else longest + 1) > room.positions:
        too_long = longest + 1 > room.positions
        what = f"{longest} prompt tokens" if too_long else f"{new} new tokens"
        raise UsageError(
            f"{what} do not fit the {room.owner}'s {room.positions} positions",
            fix="shorten the prompt" if too_long else "lower --max-new-tokens",
        )
    left = room.positions - longest
    if has_encoder or new <= left:
        return options, ()
    note = f"the {room.owner} has {room.positions} positions, so an answer ends after {left} tokens"
    return replace(options, max_new_tokens=left), (note,)


def before_new_angles(
    options: Settings, rows: Sequence[Sequence[int]], special: GenerationSpec
) -> tuple[Settings, tuple[str, ...]]:
    """Return the options with no token that a cache of the wrong angles would decide, and a note.

    A text that grows past the length at which rotary angles change would have to be read anew
    there, which no graph with a cache does; one that is longer from the start has the new angles
    throughout.
    """
    change, longest = special.angles_change_after, max(len(row) for row in rows)
    if change is None or longest > change:
        return options, ()
    left = change + 1 - longest
    if options.max_new_tokens <= left:
        return options, ()
    note = (
        f"the model's rotary angles change after {change} positions and its cache cannot follow, "
        f"so an answer ends after {left} tokens"
    )
    return replace(options, max_new_tokens=left), (note,)
