"""What a bundle measured elsewhere, read back and checked before a report believes it."""

from __future__ import annotations

from pathlib import Path

from pipeline.artifacts import Folder
from pipeline.errors import FolderError, UsageError
from pipeline.records.bundle import BundleResults


def read_results(path: Path) -> BundleResults:
    """Return a bundle's results, which somebody brought back.

    Raises:
        UsageError: The file is not one that a bundle wrote, or is one of another version's.
    """
    try:
        return BundleResults.read_file(path)
    except FolderError as error:
        raise UsageError(
            f"no results of a bundle: {error.what}",
            where=str(path),
            fix="give the results.json that the bundle's run.py wrote, or pack the folder again",
        ) from error


def changed_since(results: BundleResults, folder: Folder) -> tuple[str, ...]:
    """Return the stages that were made again, or lost, since the bundle was packed."""
    here = folder.stages()  # names alone: one of a stranger's may be a path
    made = {name: folder.stage(name) if name in here else None for name in results.artifacts}
    return tuple(
        stage
        for stage, digest in results.artifacts.items()
        if (artifact := made[stage]) is None or artifact.digest != digest
    )
