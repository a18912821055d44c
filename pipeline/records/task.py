"""What an answer of a model means, as its checkpoint says: how texts become vectors, classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Pooling: TypeAlias = Literal["cls", "max", "mean", "mean_sqrt_len", "weightedmean", "lasttoken"]
ScoreFunction: TypeAlias = Literal["softmax", "sigmoid", "none"]


@dataclass(frozen=True, kw_only=True)
class EmbeddingSpec:
    """How a sentence encoder reads a text; everything behind its tokens lies in the graph.

    Attributes:
        pooling: How the states of tokens become one vector; several are joined.
        steps: What follows, such as `dense` and `normalize`, in order.
        size: Numbers of a vector.
        max_length: Most tokens of a text, special ones included; None without a limit of its own.
        lower_case: Whether texts are made lower case first.
        prompts: What may stand before a text, by name.
        default_prompt: The name of the one that always does, None where none does.
        pools_prompt: Whether the prompt's tokens count in the pooling.
    """

    pooling: tuple[Pooling, ...]
    steps: tuple[str, ...]
    size: int
    max_length: int | None = None
    lower_case: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    pools_prompt: bool = True


@dataclass(frozen=True, kw_only=True)
class ClassesSpec:
    """What the scores of a classifier stand for.

    Attributes:
        labels: Names of the classes, in the order of the scores.
        function: What makes probabilities of scores: `softmax` where one class holds, `sigmoid`
            where each may, `none` where scores are numbers of their own.
    """

    labels: tuple[str, ...]
    function: ScoreFunction
