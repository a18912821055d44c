"""`pipeline package`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.api import PackageOptions
from pipeline.cli.console import Console
from pipeline.cli.options import Flag, common, options_of, output_option, with_options
from pipeline.cli.summary import size_text

FLAGS = {"formats": Flag(("--format", "-f"))}
OPTIONS = options_of(PackageOptions, skip=("folder", "output"), flags=FLAGS)
WORDS = {True: "answers as it should", False: "WRONG", None: "not checked here"}
MARKS = {True: "ok   ", False: "WRONG", None: "-    "}


@click.command("package")
@click.argument("folder", type=click.Path(path_type=Path))
@output_option("The folder to write.")
@with_options(OPTIONS)
@common
def command(folder: Path, output: Path, as_json: bool, verbose: int, **values: Any) -> int:
    """Write FOLDER's model as another runtime loads it, and ask that runtime.

    Exit code 1 where a runtime gives a wrong answer or cannot load its package.
    """
    from pipeline.api import package_folder

    with Console(as_json=as_json, verbose=verbose) as console:
        made = package_folder(PackageOptions(folder=folder, output=output, **values), console)
        lines = []
        for package in made.packages:
            verdict = package.verdict
            said = f"{WORDS[verdict.right]}{f': {verdict.reason}' if verdict.reason else ''}"
            lines.append(
                f"{package.format}: {package.path}, {size_text(package.size_bytes)}; {said}"
            )
            shown = [one for one in verdict.findings if verbose or not one.right]
            lines += [f"  {MARKS[one.right]} {one.what}  {one.says}".rstrip()
                      for one in shown]  # fmt: skip
        data = {
            "variant": made.variant,
            "passed": made.passed,
            "packages": [
                {
                    "format": package.format,
                    "path": str(package.path),
                    "bytes": package.size_bytes,
                    "right": package.verdict.right,
                    "reason": package.verdict.reason,
                    "findings": [vars(one) for one in package.verdict.findings],
                }
                for package in made.packages
            ],
        }
        console.result(lines, data)
        return 0 if made.passed else 1
