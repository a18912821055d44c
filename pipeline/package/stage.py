"""`pipeline package`: folders that other runtimes load, each tried in its own."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts.folder import disk_errors, folder_errors
from pipeline.errors import FolderError, UsageError
from pipeline.package import genai, optimum, transformers_js, triton
from pipeline.package.options import PackageFormat, PackageOptions
from pipeline.package.subject import Subject, open_subject
from pipeline.package.verify import Verdict, verify
from pipeline.records.package import PackageRecord
from pipeline.tasks.variants import EXPORT_FIX
from pipeline.types import SILENT, Progress

WRITERS: dict[PackageFormat, Callable[[Subject, Path, int], None]] = {
    "optimum": optimum.write,
    "genai": genai.write,
    "transformers-js": transformers_js.write,
    "triton": triton.write,
}


@dataclass(frozen=True)
class Package:
    """A written package.

    Attributes:
        format: The runtime it is for.
        path: Its folder.
        size_bytes: Of all its files.
        verdict: What that runtime made of it.

    Examples:
        >>> from pipeline import PackageOptions, package_folder
        >>> options = PackageOptions("storyteller", "another", ("genai",), verify=False)
        >>> package_folder(options).packages[0].format
        'genai'
    """

    format: PackageFormat
    path: Path
    size_bytes: int
    verdict: Verdict


@dataclass(frozen=True)
class Packages:
    """What `package_folder` wrote.

    Attributes:
        variant: The stage whose graphs are packaged.
        packages: One per format.

    Examples:
        >>> from pipeline import PackageOptions, package_folder
        >>> made = package_folder(PackageOptions("storyteller", "one", "genai", verify=False))
        >>> made.passed, made.packages[0].verdict.reason
        (True, 'not asked for')
    """

    variant: str
    packages: tuple[Package, ...]

    @property
    def passed(self) -> bool:
        """Whether no runtime gave a wrong answer; one that was not asked gave none."""
        return all(package.verdict.right is not False for package in self.packages)


def package_folder(options: PackageOptions, progress: Progress = SILENT) -> Packages:
    """Write an artifact as other runtimes load it, and ask each of them.

    A package with a wrong answer stays, for a look at it.

    Raises:
        UsageError: A format cannot hold this model (nothing is written then), or the output exists.
        FolderError: There is no artifact, or the disk is full.

    Examples:
        >>> from pipeline import PackageOptions, package_folder
        >>> options = PackageOptions("storyteller", "packages", ("genai",), verify=False)
        >>> sorted(p.name for p in package_folder(options).packages[0].path.iterdir())[:3]
        ['chat_template.jinja', 'check', 'genai_config.json']
    """
    output = options.output
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError("the output is there already", where=str(output), fix="name another -o")
    subject = open_subject(options.folder, options.variant, options.precision)
    home = output.resolve().parent
    with contextlib.ExitStack() as stack:
        stack.enter_context(disk_errors(home))
        with folder_errors(home):
            home.mkdir(parents=True, exist_ok=True)
            scratch = tempfile.TemporaryDirectory(prefix=".pipeline-package-", dir=home)
        root = Path(stack.enter_context(scratch)) / "made"
        places = {name: root / name if len(options.formats) > 1 else root
                  for name in options.formats}  # fmt: skip
        for name, place in places.items():
            progress.step(f"writing for {name}")
            place.mkdir(parents=True)
            WRITERS[name](subject, place, options.seed)
        verdicts = {name: _verdict(name, place, options, progress)
                    for name, place in places.items()}  # fmt: skip
        if output.is_dir():
            output.rmdir()
        shutil.move(root, output)
    made = tuple(
        Package(name, path, _size(path), verdicts[name])
        for name, path in ((n, output / p.relative_to(root)) for n, p in places.items())
    )
    for package in made:
        _keep(subject, package, progress)
    return Packages(subject.variant, made)


def _keep(subject: Subject, package: Package, progress: Progress) -> None:
    """Keep the verdict in the artifact's folder, where its claims are read."""
    verdict, stages = package.verdict, dict.fromkeys(("export", subject.variant))
    record = PackageRecord(
        runtime=package.format,
        variant=subject.variant,
        artifacts={name: subject.folder.require(name, EXPORT_FIX).digest for name in stages},
        when=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        size_bytes=package.size_bytes,
        right=verdict.right,
        reason=verdict.reason,
        findings=verdict.findings,
    )
    text = json.dumps(record.to_json(), ensure_ascii=False, indent=1) + "\n"
    try:
        subject.folder.write(record.place, text.encode())
    except FolderError as error:
        progress.note(f"the verdict is not kept, and no claim tells it: {error.what}")


def _verdict(
    name: PackageFormat, place: Path, options: PackageOptions, progress: Progress
) -> Verdict:
    if not options.verify:
        return Verdict(None, "not asked for")
    progress.step(f"asking {name}")
    modules = (options.node_modules or Path()).resolve()
    told = (str(modules),) if name == "transformers-js" else ()
    return verify(place, options.python.get(name), told)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
