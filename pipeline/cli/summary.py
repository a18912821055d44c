"""An artifact in a few lines for a person, and as plain data for a script."""

from __future__ import annotations

from typing import Any

from pipeline.artifacts.artifact import Artifact


def artifact_lines(artifact: Artifact) -> list[str]:
    """Return a heading with time and memory, then one line per file."""
    if artifact.reused:
        head = f"{artifact.stage}: reused, made in {artifact.seconds:.1f} s on {artifact.made[:10]}"
    else:
        memory = f", peak memory {size_text(artifact.peak_rss_bytes)}"
        head = f"{artifact.stage}: done in {artifact.seconds:.1f} s" + (
            memory if artifact.peak_rss_bytes else ""
        )
    width = max((len(record.path) for record in artifact.files), default=0)
    files = [
        f"  {record.path:<{width}}  {size_text(record.bytes):>9}"
        + ("  (shared)" if record.shared else "")
        for record in artifact.files
    ]
    return [head, *files]


def artifact_data(artifact: Artifact) -> dict[str, Any]:
    """Return an artifact as plain data, with its folder and whether it was reused."""
    return {
        "stage": artifact.stage,
        "folder": str(artifact.folder),
        "reused": artifact.reused,
        "key": artifact.key,
        "digest": artifact.digest,
        "files": [vars(record) for record in artifact.files],
        "facts": dict(artifact.facts),
        "seconds": round(artifact.seconds, 3),
        "peak_rss_bytes": artifact.peak_rss_bytes,
        "versions": dict(artifact.versions),
    }


def size_text(count: float) -> str:
    """Return a number of bytes with a decimal unit, such as `5.6 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
