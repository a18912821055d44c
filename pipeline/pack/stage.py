"""`pipeline pack`: one tar with everything a machine without this toolkit needs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts import Folder, digest_file, digest_json, open_folder
from pipeline.artifacts.folder import disk_errors, folder_errors
from pipeline.errors import FolderError
from pipeline.graph.files.model_file import load_model
from pipeline.pack.cases import write_cases
from pipeline.pack.contents import files_of, find_candidates, require_listed
from pipeline.pack.options import PackOptions
from pipeline.records.bundle import BundleIndex, PackedCase, PackedVariant
from pipeline.records.export import ExportRecord
from pipeline.types import SILENT, Progress

_HOME = Path(__file__).resolve().parents[1]
# What run.py imports of this package: needs nothing but numpy, and the runtimes where they run.
_SHIPPED = (
    "errors.py",
    "accuracy.py",
    "onnx_bytes.py",
    "received_json.py",
    "ort/*.py",
    "pack/__init__.py",
    "pack/bundle_keys.py",
    "stages/__init__.py",
    "stages/runners/__init__.py",
    "stages/runners/cuda_driver.py",
    "stages/runners/tensorrt_engine.py",
    "stages/runners/tensorrt_types.py",
)
_PACKAGE = '"""The part of the pipeline toolkit that a bundle runs on."""\n'


@dataclass(frozen=True)
class Bundle:
    """A written bundle.

    Attributes:
        path: The tar file.
        size_bytes: Its size.
        candidates: Names of the graphs and engines in it.
        cases: How many sets of inputs it holds.

    Examples:
        >>> from pipeline import PackOptions, pack_folder
        >>> options = PackOptions("out", "bundle.tar", cases=1, variants=("ort-cpu-fp32",))
        >>> made = pack_folder(options)
        >>> made.candidates, made.cases
        (('model.ort-cpu-fp32',), 1)
    """

    path: Path
    size_bytes: int
    candidates: tuple[str, ...]
    cases: int


def pack_folder(options: PackOptions, progress: Progress = SILENT) -> Bundle:
    """Write the bundle of a folder and return what is in it.

    Raises:
        FolderError: The folder has no graphs, files are missing or changed or lie outside it, or
            the disk is full.

    Examples:
        >>> from pipeline import PackOptions, pack_folder
        >>> pack_folder(PackOptions("out", "bundle.tar", cases=1)).path.name
        'bundle.tar'
    """
    folder = open_folder(options.folder)
    candidates, artifacts = find_candidates(folder, options.variants)
    if not candidates:
        raise FolderError(
            "nothing here to pack", where=str(folder.path), fix="`pipeline run MODEL -o DIR` first"
        )
    home = options.output.parent
    with contextlib.ExitStack() as stack:
        stack.enter_context(disk_errors(home))
        with folder_errors(home):
            home.mkdir(parents=True, exist_ok=True)
            scratch = tempfile.TemporaryDirectory(prefix="pipeline-pack-", dir=home)
        root = Path(stack.enter_context(scratch))
        cases = {
            part: _cases(folder, part, candidates, options, root, progress)
            for part in dict.fromkeys(c.part for c in candidates)
        }
        _write_scripts(root)
        packed = sorted({f for c in candidates for f in files_of(folder.path, c)})
        require_listed(folder.path, packed, artifacts)
        made = {f.relative_to(root).as_posix(): f for f in root.rglob("*") if f.is_file()}
        index = BundleIndex(
            artifacts={a.stage: a.digest for a in artifacts},
            candidates=tuple(candidates),
            cases=cases,
            files={f: digest_file(folder.path / f) for f in packed}
            | {name: digest_file(made[name]) for name in sorted(made)},
        ).to_json()
        index["digest"] = digest_json(index)
        (root / "bundle.json").write_text(json.dumps(index, indent=1) + "\n")
        progress.step(f"writing {options.output.name}")
        _write(options.output, root, folder.path, packed)
    return Bundle(
        options.output,
        options.output.stat().st_size,
        tuple(c.name for c in candidates),
        options.cases * len(cases),
    )


def _write_scripts(root: Path) -> None:
    """Write run.py, and beside it under lib the files of ours that it imports."""
    shutil.copyfile(_HOME / "pack" / "bundle_runner.py", root / "run.py")
    package = root / "lib" / _HOME.name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(_PACKAGE, encoding="utf-8")
    for source in (file for pattern in _SHIPPED for file in _HOME.glob(pattern)):
        target = package / source.relative_to(_HOME)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _cases(
    folder: Folder,
    part: str,
    candidates: Iterable[PackedVariant],
    options: PackOptions,
    root: Path,
    progress: Progress,
) -> tuple[PackedCase, ...]:
    """The reference is what the part's first graph means: the exported one where it is there."""
    mine = [c for c in candidates if c.part == part]
    graph = next((c.file for c in mine if c.target == "onnx"), None) or next(
        (c.file for c in mine if c.kind == "graph" and c.precision == "fp32"), None
    )
    if graph is None:
        exported = folder.stage("export")
        known = ExportRecord.of(exported).parts.get(part) if exported is not None else None
        if known is None:
            raise FolderError(
                f"{part}: no float32 graph to take the right answers from",
                where=str(folder.path),
                fix="pack the exported graph too",
            )
        graph = known.file
    progress.step(f"{part}: computing the right answers in float64")
    model = load_model(folder.path / graph)
    precisions = {c.precision for c in mine}
    return write_cases(model, part, options.cases, options.seed, precisions, root)


def _write(output: Path, root: Path, folder: Path, packed: Iterable[str]) -> None:
    """Write the tar under another name and rename it; equal contents give equal bytes."""
    stem = output.stem
    made = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:
            for name, home in [*((n, root) for n in made), *((n, folder) for n in packed)]:
                tar.add(home / name, f"{stem}/{name}", recursive=False, filter=_plain)
        os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
    entry.mode = 0o755 if entry.name.endswith("run.py") else 0o644
    return entry
