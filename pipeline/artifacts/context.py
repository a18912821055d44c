"""Where a stage writes while it works: temporary names beside the final ones.

A temporary file lies in the folder it will end up in, so that a graph under its temporary name
already finds the weights it refers to, and so that the commit is a rename on one file system.
Weights are named by their content (`weights-<digest>.data`): they are the same bytes under
the same name for ever, so they take their final name as soon as they are complete.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pipeline.artifacts.artifact import Artifact
from pipeline.artifacts.folder import Folder

TEMP_PREFIX = ".tmp-"
WEIGHTS = re.compile(rb"weights-[0-9a-f]{8,64}\.data")


class StageContext:
    """What a stage's function may touch: files to write, parents to read, a log to fill."""

    def __init__(self, folder: Folder, stage: str, parents: Mapping[str, Artifact]) -> None:
        self.folder = folder
        self.stage = stage
        self.parents = parents
        self.lines: list[str] = []
        self.planned: dict[str, Path] = {}  # relative final name -> temporary path
        self._mark = f"{TEMP_PREFIX}{os.getpid()}-{secrets.token_hex(4)}-"

    def path(self, name: str) -> Path:
        """Return where to write the file (or the folder of files) that will be DIR/name.

        Args:
            name: Relative, with forward slashes, such as `onnx/encoder.exported.onnx`.

        Raises:
            ValueError: the name is absolute or leaves the folder.
        """
        final = PurePosixPath(name)
        if final.is_absolute() or ".." in final.parts or not final.parts:
            raise ValueError(f"{name!r} is not a path inside the output folder")
        temp = self.folder.path / final.parent / (self._mark + final.name)
        temp.parent.mkdir(parents=True, exist_ok=True)
        self.planned[str(final)] = temp
        return temp

    def place(self, temp: Path, name: str) -> Path:
        """Give a complete, content-named file its final name at once; return that path.

        A file that is already there under this name has these bytes and is kept.
        """
        if not WEIGHTS.fullmatch(PurePosixPath(name).name.encode()):
            raise ValueError(f"{name!r} is not named weights-<digest>.data")
        final = self.folder.path / name
        self.planned = {key: path for key, path in self.planned.items() if path != temp}
        if final.exists() and final.stat().st_size == temp.stat().st_size:
            temp.unlink()
        else:
            final.parent.mkdir(parents=True, exist_ok=True)
            temp.replace(final)
        return final

    def log(self, line: str) -> None:
        """Keep a line in the manifest's log."""
        self.lines.append(line)

    def written(self) -> dict[str, Path]:
        """Return each file that was really written, by final name, folders taken apart."""
        found: dict[str, Path] = {}
        for name, temp in self.planned.items():
            if temp.is_dir():
                for file in sorted(item for item in temp.rglob("*") if item.is_file()):
                    found[f"{name}/{file.relative_to(temp).as_posix()}"] = file
            elif temp.exists():
                found[name] = temp
        return found

    def discard(self) -> None:
        """Remove every temporary file and folder of this stage."""
        for temp in self.planned.values():
            remove(temp)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
