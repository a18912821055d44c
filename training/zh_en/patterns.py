"""Everyday patterns that are more than subject, predicate and time."""

from __future__ import annotations

from training.zh_en import people, things, times
from training.zh_en.clauses import Clause
from training.zh_en.lexicon import Chooser

EVERYDAY = (
    (16, times.weather),
    (3, times.climate),
    (5, times.age),
    (8, times.clock),
    (8, things.introducing),
    (3, things.owner),
    (8, things.located),
    (8, things.compared),
    (12, people.liking),
    (10, things.wanted),
    (5, people.manner),
    (12, people.ordered),
    (8, people.journey),
    (3, people.lasting),
)


def pattern(c: Chooser) -> Clause:
    """Return any of the patterns above."""
    return c.weighted(EVERYDAY)(c)
