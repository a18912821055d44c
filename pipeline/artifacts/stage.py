"""One stage of work: reuse what is current, else make it anew and commit it."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from pipeline.artifacts.artifact import Artifact, contents_digest
from pipeline.artifacts.code import code_ingredients
from pipeline.artifacts.commit import collect, commit, drop_damaged, sweep
from pipeline.artifacts.context import StageContext
from pipeline.artifacts.folder import Folder, disk_errors, folder_errors
from pipeline.artifacts.ingredients import changes, gather, key_of
from pipeline.artifacts.memory import Meter
from pipeline.artifacts.plan import WouldMake, is_planning
from pipeline.errors import FolderError
from pipeline.records.record import Record
from pipeline.types import Json

Told = TypeVar("Told", bound=Record)

_LOG = logging.getLogger(__name__)
_LONGEST_LOG = 2000


def run_stage(
    folder: Folder,
    name: str,
    recipe: Mapping[str, Json],
    parents: Mapping[str, Artifact],
    produce: Callable[[StageContext], Told],
    record: type[Told],
) -> Artifact:
    """Return the current artifact of a stage, made now unless it is on disk already.

    Args:
        folder: The output folder, claimed and locked here for as long as this takes.
        name: The stage, such as `export` or `optimize.ort-cpu-fp32`.
        recipe: Every option and input that can change the result; no absolute paths.
        parents: The artifacts this one is made from.
        produce: Writes files through the context and returns the record for the manifest. The
            code it can reach, and the libraries that code names, count as ingredients too.
        record: What it returns; an artifact whose facts are none of these is made again.

    Raises:
        FolderError: the folder is foreign, full or unwritable, or a parent changed meanwhile.
        WouldMake: while planning, if there is work to do.
    """
    if is_planning():
        ingredients = gather(name, recipe, parents, _module(produce))
        current = _current(folder, name, ingredients, record)
        assert current is not None  # or WouldMake was raised
        return current.as_reused()
    with folder.lock():
        with folder_errors(folder.path):
            sweep(folder)
            _check_parents(folder, parents)
            ingredients = gather(name, recipe, parents, _module(produce))
            current = _current(folder, name, ingredients, record)
        if current is not None:
            _LOG.info("%s: reused, nothing that goes into it has changed", name)
            return current.as_reused()
        return _make(StageContext(folder, name, parents), ingredients, produce)


def _make(
    context: StageContext,
    ingredients: Mapping[str, Json],
    produce: Callable[[StageContext], Record],
) -> Artifact:
    """Run the stage's function and commit what it wrote, or leave nothing behind."""
    keeper = _LogKeeper(context)
    logger = logging.getLogger("pipeline")
    logger.addHandler(keeper)
    try:
        with disk_errors(context.folder.path), Meter() as meter:
            facts = produce(context).to_json()
        with folder_errors(context.folder.path):
            artifact = _artifact(context, ingredients, facts, meter, _module(produce))
            commit(context, artifact)
    except BaseException:
        context.discard()
        sweep(context.folder)
        raise
    finally:
        logger.removeHandler(keeper)
    return artifact


def _artifact(
    context: StageContext,
    ingredients: Mapping[str, Json],
    facts: dict[str, Json],
    meter: Meter,
    module: str,
) -> Artifact:
    """Return the record of a stage that has just written its files."""
    files = tuple(collect(context))
    return Artifact(
        folder=context.folder.path,
        stage=context.stage,
        key=key_of(ingredients),
        digest=contents_digest(files, facts),
        ingredients=ingredients,
        parents={name: parent.digest for name, parent in context.parents.items()},
        files=files,
        facts=facts,
        seconds=meter.seconds,
        peak_rss_bytes=meter.peak_rss_bytes,
        versions={
            name.removeprefix("library "): version
            for name, version in code_ingredients(module).items()
            if name.startswith("library ")
        },
        log=tuple(context.lines[-_LONGEST_LOG:]),
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _current(
    folder: Folder, name: str, ingredients: Mapping[str, Json], record: type[Record]
) -> Artifact | None:
    """Return the artifact on disk if it is what would be made now; say why not, if not."""
    artifact, reasons, damaged = _judge(folder, name, ingredients, record)
    if not reasons:
        return artifact
    if is_planning():
        raise WouldMake(name, reasons)
    for reason in reasons if artifact or damaged else ():
        _LOG.log(logging.WARNING if damaged else logging.INFO, "%s is made again: %s", name, reason)
    if artifact is not None and damaged:
        drop_damaged(folder, artifact)
    return None


def _judge(
    folder: Folder, name: str, ingredients: Mapping[str, Json], record: type[Record]
) -> tuple[Artifact | None, list[str], bool]:
    """Return the artifact on disk, why it cannot be reused, and whether damage is the reason."""
    try:
        artifact = folder.stage(name)
    except FolderError as error:
        return None, [error.what], True
    if artifact is None:
        return None, ["not made yet"], False
    if artifact.key != key_of(ingredients):
        return artifact, changes(artifact.ingredients, ingredients) or ["key changed"], False
    problem = folder.damage(artifact) or _unreadable(artifact, record)
    return artifact, [problem] if problem else [], bool(problem)


def _unreadable(artifact: Artifact, record: type[Record]) -> str:
    """Return what is wrong with an artifact's facts, in words; empty if nothing is."""
    try:
        record.of(artifact)
    except FolderError as error:
        return error.what
    return ""


def _check_parents(folder: Folder, parents: Mapping[str, Artifact]) -> None:
    """Raise FolderError if a parent in this folder is not what it was when it was read."""
    for parent in parents.values():
        if parent.folder != folder.path:
            continue
        now = folder.stage(parent.stage)
        if now is None or now.digest != parent.digest:
            raise FolderError(
                f"{parent.stage} was changed by another process while this one worked",
                where=str(folder.path),
                fix="run again, or give each run its own folder with -o",
            )


def _module(produce: Callable[..., object]) -> str:
    """Return the module a stage's function was written in, through functools.partial."""
    while hasattr(produce, "func"):
        produce = produce.func
    return str(getattr(produce, "__module__", None) or type(produce).__module__)


class _LogKeeper(logging.Handler):
    """Copies what the stage's own code logs into the manifest's log."""

    def __init__(self, context: StageContext) -> None:
        super().__init__(logging.INFO)
        self._context = context

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self._context.log(f"{record.levelname.lower()}: {record.getMessage()}")
