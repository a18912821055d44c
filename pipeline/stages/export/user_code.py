"""A user's own function: imported as they would, without our packages in its way or it in ours.

`models` and `pipeline` are names a project may well have beside its file.py. While user code
runs, names that exist beside it mean the user's files; afterwards they mean ours again.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.errors import BadModelError, Terminated, UsageError, first_line
from pipeline.stages.export.seeds import seeded
from pipeline.stages.export.source import Source


@dataclass(frozen=True)
class UserResult:
    """What the function returned, and the files it was made from.

    Attributes:
        value: The model, its inputs and so on, as returned.
        sources: The function's file and every module of the user's that it imported.
    """

    value: Any
    sources: tuple[Path, ...]


@contextmanager
def beside(root: Path) -> Iterator[None]:
    """Let imports find the modules in `root` first, and forget them again at the end."""
    names = {p.stem for p in root.glob("*.py")} | {p.name for p in root.iterdir() if p.is_dir()}
    ours = {key: module for key, module in sys.modules.items() if key.split(".")[0] in names}
    hidden = {key: m for key, m in ours.items() if not _lies_in(m, root)}
    for key in hidden:
        del sys.modules[key]
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(root))
        for key in [k for k in sys.modules if k.split(".")[0] in {h.split(".")[0] for h in hidden}]:
            del sys.modules[key]
        sys.modules.update(hidden)


@contextmanager
def no_exit(what: str, where: str = "") -> Iterator[None]:
    """Make a sys.exit in code that is not ours a failure: it would end us as if all were done.

    Raises:
        BadModelError: The code in the block ended the program.
    """
    try:
        yield
    except Terminated:
        raise
    except SystemExit as err:
        raise BadModelError(
            f"{what} called sys.exit({err.code!r})",
            where=_raised_at(err, Path.cwd()) or where,
            fix="let it raise an error, or return",
        ) from err


def call_function(source: Source, seed: int = 0) -> UserResult:
    """Import the user's function, call it without arguments, and return what it returned.

    Args:
        source: Where the function is.
        seed: Of torch, numpy and random while its module is imported and it is called.

    Raises:
        UsageError: The module or function does not exist, or takes arguments.
        BadModelError: The user's code raised, or called sys.exit.
    """
    root = source.path.resolve().parent if source.path else Path.cwd()
    with seeded(seed), no_exit(f"{source.function}()", source.name), beside(root):
        before = set(sys.modules)
        module = _import(source)
        function = _function(module, source)
        try:
            value = function()
        except Exception as err:
            raise BadModelError(
                f"{source.function}() raised {type(err).__name__}: {first_line(err)}",
                where=_raised_at(err, root) or source.name,
                fix=f"call {source.function}() in Python to see the whole traceback",
            ) from err
        loaded = [sys.modules[name] for name in set(sys.modules) - before] + [module]
        return UserResult(value, _sources(loaded))


def _import(source: Source) -> ModuleType:
    try:
        if source.path is None:
            return importlib.import_module(source.module)
        spec = importlib.util.spec_from_file_location(source.path.stem, source.path.resolve())
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    except ModuleNotFoundError as err:
        raise UsageError(
            f"no module named {err.name}",
            where=source.name,
            fix="install it, or run from the folder that holds it",
        ) from err
    except Exception as err:
        raise BadModelError(
            f"importing it raised {type(err).__name__}: {first_line(err)}",
            where=(source.path and _raised_at(err, source.path.resolve().parent)) or source.name,
        ) from err


def _function(module: ModuleType, source: Source) -> Callable[[], Any]:
    found = getattr(module, source.function, None)
    if not callable(found):
        names = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        close = difflib.get_close_matches(source.function, names, n=3, cutoff=0.4)
        raise UsageError(
            f"there is no function {source.function} in {module.__name__}",
            where=source.name,
            fix=f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(names)}",
        )
    needed = [
        p.name
        for p in inspect.signature(found).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if needed:
        raise UsageError(
            f"{source.function} needs arguments: {', '.join(needed)}",
            where=source.name,
            fix="give them defaults, or write a function of no arguments around it",
        )
    function: Callable[[], Any] = found
    return function


def _raised_at(error: BaseException, root: Path) -> str:
    """Return the last line of the user's files that the error passed, empty if there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [f for f in frames if Path(f.filename).resolve().is_relative_to(root)]
    if not theirs:
        return ""
    last = theirs[-1]
    name = Path(last.filename).resolve().relative_to(root).as_posix()
    return f"{name}, line {last.lineno}, in {last.name}: {last.line}"


def _lies_in(module: ModuleType, root: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve().is_relative_to(root)


def _sources(modules: list[ModuleType]) -> tuple[Path, ...]:
    """Return the Python files of these modules that belong to no installed package."""
    installed = ("site-packages", "dist-packages")
    found = set()
    for module in modules:
        file = getattr(module, "__file__", None)
        if not file or not file.endswith(".py"):
            continue
        path = Path(file).resolve()
        if not any(part in path.parts for part in installed) and not _standard(path):
            found.add(path)
    return tuple(sorted(found))


def _standard(path: Path) -> bool:
    return path.is_relative_to(Path(inspect.__file__).resolve().parent)
