"""What the word MODEL on the command line means, decided without importing a framework.

an existing path     a Hugging Face folder, a .gguf file, or file.py:function
hf:ORG/NAME          the Hugging Face cache or hub
a preset             zh-en, bert-base, gpt2-tiny, llama2-7b, ...
package.module:function
"""

from __future__ import annotations

import difflib
import importlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.records.export import SourceKind

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")  # ORG/NAME, as ./folder and /folder are not
_ONNX = ".onnx"


@dataclass(frozen=True)
class Source:
    """Where a model comes from.

    Attributes:
        kind: What `name` is.
        name: The preset, the hub's ORG/NAME, or what the user typed.
        path: The folder, .gguf or .py file; None for presets, hub names and dotted modules.
        module: Dotted module of a function that is not in a file.
        function: Name of the user's function.
    """

    kind: SourceKind
    name: str
    path: Path | None = None
    module: str = ""
    function: str = ""


def own_models() -> None:
    """Make `models` mean ours, even where Python was started beside another package of that name.

    A user's function gets theirs back while it runs: see user_code.py.
    """
    home = Path(__file__).resolve().parents[3]
    found = sys.modules.get("models")
    if found is not None and Path(str(found.__file__)).resolve().is_relative_to(home):
        return
    for name in [name for name in sys.modules if name.split(".")[0] == "models"]:
        del sys.modules[name]
    sys.path.insert(0, str(home))
    try:
        importlib.import_module("models")  # its submodules are looked for beside it from now on
    finally:
        sys.path.remove(str(home))


def resolve(model: str) -> Source:
    """Return where the model comes from; nothing of it is loaded yet.

    Raises:
        UsageError: It names nothing; the message lists what comes near.
    """
    own_models()
    from models.presets import PRESETS

    head, colon, function = model.rpartition(":")
    if not model.strip():
        raise UsageError("MODEL is empty", fix=f"name a preset: {', '.join(PRESETS)}")
    if colon and head.endswith(".py"):
        return _file_function(Path(head), function)
    if Path(model).exists():
        return _path(Path(model))
    if model.startswith("hf:"):
        return _hub(model.removeprefix("hf:"))
    if model in PRESETS:
        return Source("preset", model)
    if colon and _DOTTED.fullmatch(head) and function.isidentifier():
        return Source("function", model, module=head, function=function)
    raise _unknown(model, sorted(PRESETS))


def _file_function(path: Path, function: str) -> Source:
    if not path.is_file():
        raise UsageError(
            f"there is no file {path}", where="MODEL", fix=_near(path.name, _python_files(path))
        )
    if not function.isidentifier():
        raise UsageError(
            f"{function!r} is not the name of a function", where="MODEL", fix=f"{path}:function"
        )
    return Source("function", f"{path.name}:{function}", path, function=function)


def _path(path: Path) -> Source:
    if path.suffix == _ONNX:
        raise UsageError(
            f"{path} is ONNX already",
            where="MODEL",
            fix=f"pipeline optimize {path} -o OUT takes it from there",
        )
    if path.suffix == ".py":
        raise UsageError(
            f"{path} holds a model, but which function returns it?",
            where="MODEL",
            fix=f"{path}:function",
        )
    return Source("hf", path.resolve().name, path)


def _hub(name: str) -> Source:
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        raise UsageError(f"{name!r} is not ORG/NAME", where="MODEL", fix="e.g. hf:ORG/NAME")
    return Source("hub", name)


def _unknown(model: str, presets: list[str]) -> UsageError:
    where = "MODEL: neither a path, nor hf:ORG/NAME, nor a preset, nor package.module:function"
    fix = _near(model, presets)
    if _HUB_NAME.fullmatch(model):
        fix += f"; from the Hugging Face hub: hf:{model}"
    elif "/" in model:
        fix = "check the path: there is no file or folder of that name"
    return UsageError(f"there is no model {model!r}", where=where, fix=fix)


def _near(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known here: {', '.join(known)}" if known else "check the path"


def _python_files(path: Path) -> list[str]:
    folder = path.parent
    return sorted(file.name for file in folder.glob("*.py")) if folder.is_dir() else []
