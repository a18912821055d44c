"""Artifacts on disk: who owns a folder, what is in it, and whether it is still current.

A stage calls `run_stage` with everything that could change its result (the recipe) and a
function that produces files. What it gets back is an `Artifact`: either the one already on disk,
if nothing that went in has changed, or a new one, committed by renames with the manifest last.
"""

from __future__ import annotations

from pipeline.artifacts.artifact import Artifact
from pipeline.artifacts.context import StageContext
from pipeline.artifacts.digests import digest_file, digest_json
from pipeline.artifacts.folder import Folder, open_folder
from pipeline.artifacts.stage import run_stage

__all__ = [
    "Artifact",
    "Folder",
    "StageContext",
    "digest_file",
    "digest_json",
    "open_folder",
    "run_stage",
]
