"""What a stage left on disk, as frozen data, and its manifest file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.artifacts.digests import digest_json
from pipeline.errors import FolderError
from pipeline.notebook import Grid, Shown
from pipeline.received_json import parse_json
from pipeline.records.files import FileRecord
from pipeline.records.record import Finite, read, shown
from pipeline.types import Json

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class _Manifest:
    stage: str
    made: str
    key: str
    digest: str
    ingredients: dict[str, Any]
    parents: dict[str, str]
    files: tuple[FileRecord, ...]
    facts: dict[str, Any]
    seconds: Finite
    peak_rss_bytes: int
    versions: dict[str, str]
    log: tuple[str, ...]


@dataclass(frozen=True)
class Artifact(Shown):
    """What one stage made.

    Attributes:
        folder: The output folder it lies in.
        stage: For example "export" or "optimize.ort-cpu-fp32".
        key: Hash of the recipe: what went in.
        digest: Hash of files and facts: what came out; children name their parents by it.
        ingredients: The recipe, name by name; long values are hashes.
        parents: Digest of each parent artifact.
        files: Its files, with sha256 and size.
        facts: What the stage says about its result, as its record wrote it; read it as that:
            `ExportRecord.of(artifact)`.
        seconds: Wall time it took to make.
        peak_rss_bytes: Highest resident memory while it was made.
        versions: Of Python and of the libraries its code imports.
        log: Lines noted while it was made.
        reused: True if it was on disk already and still current.

    Examples:
        >>> from pipeline import open_folder
        >>> artifact = open_folder("out").stage("export")
        >>> artifact.path(artifact.files[0].path).is_file()
        True
    """

    folder: Path
    stage: str
    key: str
    digest: str
    ingredients: Mapping[str, Json] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    files: tuple[FileRecord, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)
    seconds: float = 0.0
    peak_rss_bytes: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    made: str = ""
    reused: bool = False

    def path(self, name: str) -> Path:
        """Return the absolute path of a file given by its relative name."""
        return self.folder / name

    def grids(self) -> list[Grid]:
        """Return what the record says and the files as tables, for a notebook."""
        record = shown().record_of(self)
        state = "reused" if self.reused else f"made in {self.seconds:.1f} s"
        rows = [(file.path, f"{file.bytes / 1e6:.3f} MB") for file in self.files]
        files = Grid(f"{self.stage}: {state}, in {self.folder}", ("file", "size"), rows)
        return [*(record.grids() if record is not None else ()), files]

    def to_manifest(self) -> bytes:
        """Return the manifest's bytes: everything but where the folder is."""
        content = {
            "format": FORMAT,
            "stage": self.stage,
            "made": self.made,
            "key": self.key,
            "digest": self.digest,
            "ingredients": dict(self.ingredients),
            "parents": dict(self.parents),
            "files": [vars(record) for record in self.files],
            "facts": dict(self.facts),
            "seconds": round(self.seconds, 3),
            "peak_rss_bytes": self.peak_rss_bytes,
            "versions": dict(self.versions),
            "log": list(self.log),
        }
        return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()

    def misfit(self) -> str:
        """Return which of its digests is not that of what it tells, in words; empty if none is."""
        if self.digest != contents_digest(self.files, self.facts):
            return "its digest is not that of its files and facts"
        if self.key != digest_json(dict(self.ingredients)):
            return "its key is not that of its ingredients"
        told = {f"parent {name}": digest for name, digest in self.parents.items()}
        if any(self.ingredients.get(name) != digest for name, digest in told.items()):
            return "its parents are not those of its ingredients"
        return ""

    def as_reused(self) -> Artifact:
        """Return the same artifact, marked as found on disk."""
        return replace(self, reused=True)


def contents_digest(files: Sequence[FileRecord], facts: Mapping[str, Json]) -> str:
    """Return the digest of what came out: every file's name and bytes, and the facts."""
    listed: list[Json] = [[record.path, record.sha256] for record in files]
    return digest_json({"files": sorted(listed, key=str), "facts": dict(facts)})


def read_manifest(folder: Path, manifest: Path) -> Artifact:
    """Return the artifact a manifest file describes.

    Raises:
        FolderError: the manifest is not one of ours, of a newer format, or was edited: its
            digests are computed again.
    """
    fix = f"delete {manifest.name} and run the stage again"
    try:
        content = parse_json(manifest.read_bytes())
        number = content.pop("format")
        if number != FORMAT:
            raise FolderError(
                f"manifest format {number}, this version reads {FORMAT}",
                where=str(manifest),
                fix=fix,
            )
        artifact = Artifact(folder=folder, **vars(read(_Manifest, content)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FolderError(
            f"the manifest is damaged: {type(error).__name__}: {error}",
            where=str(manifest),
            fix=fix,
        ) from error
    except OSError as error:
        raise FolderError(
            f"the manifest cannot be read: {error.strerror}",
            where=str(manifest),
            fix="check its permissions",
        ) from error
    problem = artifact.misfit()
    if artifact.stage != manifest.stem:
        problem = f"it is that of {artifact.stage!r}"
    if problem:
        raise FolderError(
            f"the manifest was edited or is another's: {problem}", where=str(manifest), fix=fix
        )
    return artifact
