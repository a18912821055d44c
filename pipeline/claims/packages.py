"""Claims on packages: what their runtimes answered when they were made."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.artifacts import Folder
from pipeline.records.claim import Claim, ClaimState
from pipeline.records.package import KEPT, PackageRecord


def package_claims(folder: Folder) -> Iterator[Claim]:
    """Yield one claim for each package made of this folder.

    Raises:
        FolderError: A record is damaged.
    """
    digests = {}
    for name in folder.stages():
        artifact = folder.stage(name)
        digests[name] = artifact.digest if artifact is not None else None
    for path in sorted((folder.path / KEPT).glob("*.json")):
        record = PackageRecord.read_file(path)
        changed = [name for name, digest in record.artifacts.items() if digests.get(name) != digest]
        state, evidence = _judged(record)
        if changed:
            state, evidence = "unchecked", f"made again or gone since: {', '.join(changed)}"
        where = f"{KEPT}/{path.name}"
        yield Claim(
            f"{record.runtime} answers from {record.variant} as we do", state, evidence, where
        )


def _judged(record: PackageRecord) -> tuple[ClaimState, str]:
    if record.right is None:
        return "unchecked", f"not checked here: {record.reason}"
    wrong = [one for one in record.findings if one.right is False]
    if wrong or not record.right:
        told = "; ".join(f"{one.what}: {one.says}" for one in wrong)
        return "broken", told[:300] or "it was found wrong"
    open_ones = [one.what for one in record.findings if one.right is None]
    evidence = f"{len(record.findings) - len(open_ones)} answers right"
    return "kept", evidence + (f"; not asked here: {', '.join(open_ones)}" if open_ones else "")
