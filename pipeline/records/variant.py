"""Variants of a model: the optimized graphs and engines of a folder, read by their stage's name."""

from __future__ import annotations

from pipeline.records.engine import EngineRecord
from pipeline.records.optimize import OptimizeRecord
from pipeline.records.record import Made

VERBS = {"optimize": OptimizeRecord, "build-engine": EngineRecord}


def is_variant(stage: str) -> bool:
    """Return whether a stage makes a variant: `optimize.ort-cpu-fp32`, `build-engine.…`."""
    return stage.partition(".")[0] in VERBS


def variant_record(made: Made) -> OptimizeRecord | EngineRecord:
    """Return the record of an artifact whose stage makes a variant.

    Raises:
        FolderError: its facts are not such a record, or of another format.
        KeyError: its stage makes none.
    """
    record: type[OptimizeRecord] | type[EngineRecord] = VERBS[made.stage.partition(".")[0]]
    return record.of(made)
