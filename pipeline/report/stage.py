"""The report: report.html, report.md and data.json beside the artifacts they describe."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import __version__
from pipeline.artifacts import Folder, digest_file, digest_json, open_folder
from pipeline.errors import FolderError
from pipeline.records.package import KEPT
from pipeline.records.report import ReportData
from pipeline.report.options import ReportOptions
from pipeline.types import SILENT, Json, Progress

HTML, MARKDOWN, DATA = "report.html", "report.md", "data.json"


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        html, markdown, data: The three files.
        reused: Whether they were there already and still describe the folder.
        passed: False when something on the page failed.

    Examples:
        >>> from pipeline import ReportOptions, write_report
        >>> made = write_report(ReportOptions("out", output="page"))
        >>> [file.name for file in (made.html, made.markdown, made.data)]
        ['report.html', 'report.md', 'data.json']
    """

    html: Path
    markdown: Path
    data: Path
    reused: bool
    passed: bool


def write_report(options: ReportOptions, progress: Progress = SILENT) -> Report:
    """Return the report on a folder; what it claims is read again, the pages written if need be.

    Raises:
        FolderError: the folder is not ours, damaged or unwritable.
        UsageError: the results given are none.

    Examples:
        >>> from pipeline import ReportOptions, write_report
        >>> write_report(ReportOptions("out", output="page")).passed
        True
    """
    folder = open_folder(options.folder)
    if options.with_results:
        from pipeline.report.collect import add_results

        for path in options.with_results:
            add_results(folder, path)
    from pipeline.report.collect import collect

    progress.step("reading the artifacts")
    place = options.output or folder.path
    data = collect(folder, key_of(folder))  # each time: a claim kept yesterday may be broken now
    if _is_current(place, data):
        return _report(place, data, reused=True)
    progress.step("drawing the report")
    return _write(place, data)


def key_of(folder: Folder) -> str:
    """Return the hash of everything the report is made from, its own code included."""
    stages: dict[str, Json] = {}
    for name in folder.stages():
        artifact = folder.stage(name)  # files changed since are what a claim is about
        stages[name] = "" if artifact is None else folder.damage(artifact) or artifact.digest
    code = sorted(path for path in Path(__file__).parent.rglob("*") if path.is_file())
    for beside in ("claims", "records"):
        code += sorted(Path(__file__).parents[1].glob(f"{beside}/*.py"))
    results = sorted(folder.path.glob("results/*.json")) + sorted(
        folder.path.glob(f"{KEPT}/*.json")
    )
    sources: dict[str, Json] = {
        f"{path.parent.name}/{path.name}": digest_file(path)
        for path in [*code, *results]
        if path.suffix != ".pyc"
    }
    return digest_json({"stages": stages, "sources": sources, "version": __version__})


def _is_current(place: Path, data: ReportData) -> bool:
    """Return whether the report that lies there says just this, and its pages are as written."""
    if not all((place / name).is_file() for name in (HTML, MARKDOWN, DATA)):
        return False
    try:
        there = ReportData.read_file(place / DATA)
    except FolderError:  # torn, edited, or another version's: written again
        return False
    pages = {name: digest_file(place / name) for name in (HTML, MARKDOWN)}
    return there.to_json() == replace(data, pages=pages).to_json()


def _write(place: Path, data: ReportData) -> Report:
    from pipeline.artifacts.digests import digest_bytes, write_atomic
    from pipeline.artifacts.folder import folder_errors
    from pipeline.report.page import build_page
    from pipeline.report.render import to_html, to_markdown

    page = build_page(data, __version__)
    texts = {HTML: to_html(page).encode(), MARKDOWN: to_markdown(page).encode()}
    pages = {name: digest_bytes(text) for name, text in texts.items()}
    told = replace(data, pages=pages).to_json()  # last: it vouches for the rest
    texts[DATA] = (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode()
    with folder_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_atomic(place / name, text)
    return _report(place, data, reused=False)


def _report(place: Path, data: ReportData, *, reused: bool) -> Report:
    return Report(place / HTML, place / MARKDOWN, place / DATA, reused, data.passed)
