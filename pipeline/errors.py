"""Every error the toolkit raises on purpose, and the exit code each one means.

    PipelineError                 exit 2 unless a subclass says otherwise
    ├── UsageError                2   a bad option value or combination
    │   ├── NoKernelsError        2   a precision that the target has no kernels for
    │   └── UnconfirmedCodeError  2   a folder names code that nobody here had run
    ├── BadModelError             2   an unreadable, hostile or inconsistent model or checkpoint
    │   └── ChangedModelError     2   a function returns another model than the one exported
    ├── ExportError               2   the exporters could not carry the model faithfully
    │   └── ValueBranchError      2   forward() decides by the contents of a tensor
    ├── FolderError               2   an output folder is foreign, unwritable, full or corrupt
    ├── EnvironmentMissingError   3   an extra, a GPU or a driver is absent
    ├── BuildError                4   the TensorRT builder failed, crashed or ran out of time
    └── ClaimError                1   a promise made on the command line does not hold

A failed comparison is a result (exit 1), not an exception. Anything that is not a
PipelineError is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

# How the libraries say that memory ran out; the second is oneDNN's, inside PyTorch.
_NO_MEMORY = ("can't allocate memory", "could not create a primitive", "bad_alloc",
              "Failed to allocate memory", "Unable to allocate", "Cannot allocate memory",
              "out of memory")  # fmt: skip


class PipelineError(Exception):
    """An error with three parts: what failed, where, and what to do.

    Args:
        what: One sentence with the offending values.
        where: Artifact, node or module path, empty when there is none.
        fix: What the user can do, empty when nothing sensible can be said.

    Examples:
        >>> from pipeline import OptimizeOptions, PipelineError
        >>> try:
        ...     OptimizeOptions("model.onnx", target="tensorrtx")
        ... except PipelineError as error:
        ...     print(f"{error.fix} (exit {error.exit_code})")
        did you mean tensorrt? (exit 2)
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__(what)

    def __str__(self) -> str:
        """Return the parts on lines of their own, the empty ones left out."""
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.fix:
            lines.append(f"  fix:   {self.fix}")
        return "\n".join(lines)


class UsageError(PipelineError):
    """A bad option value or combination of options.

    Examples:
        >>> from pipeline import ExportOptions, UsageError
        >>> try:
        ...     ExportOptions("gpt2-tiny", "out", opset=99)
        ... except UsageError as error:
        ...     print(error.where)
        --opset
    """


class NoKernelsError(UsageError):
    """A precision that the target has no kernels for; other targets of a run may have them.

    Examples:
        >>> import onnx, pipeline
        >>> try:
        ...     pipeline.optimize(onnx.load("model.onnx"), target="ort-cpu", precision="bf16")
        ... except pipeline.NoKernelsError as error:
        ...     print(error.what)
        ort-cpu has no kernels for --precision bf16
    """


class UnconfirmedCodeError(UsageError):
    """A folder names code to run that its user neither exported here nor names now.

    Examples:
        >>> from pipeline import UnconfirmedCodeError, UsageError
        >>> issubclass(UnconfirmedCodeError, UsageError)
        True
    """


class BadModelError(PipelineError):
    """A model or checkpoint that cannot be read, is hostile, or contradicts itself.

    Examples:
        >>> import onnx, pipeline
        >>> try:
        ...     pipeline.optimize(onnx.ModelProto())
        ... except pipeline.BadModelError as error:
        ...     print(error.what)
        The file holds no ONNX graph with outputs.
    """


class ChangedModelError(BadModelError):
    """A function that returns another model than the one that was exported.

    Examples:
        >>> from pipeline import BadModelError, ChangedModelError
        >>> issubclass(ChangedModelError, BadModelError)
        True
    """


class ExportError(PipelineError):
    """The exporters could not carry the model faithfully.

    Examples:
        >>> from pipeline import ExportError
        >>> print(ExportError("an operator has no form in ONNX", fix="name another exporter"))
        an operator has no form in ONNX
          fix:   name another exporter
    """


class ValueBranchError(ExportError):
    """The model decides by the contents of a tensor, of which a graph holds one way alone.

    Examples:
        >>> from pipeline import ExportError, ValueBranchError
        >>> issubclass(ValueBranchError, ExportError)
        True
    """


class FolderError(PipelineError):
    """An output folder that is foreign, unwritable, full or corrupt.

    Examples:
        >>> from pipeline import FolderError, open_folder
        >>> try:
        ...     open_folder("nothing-here")
        ... except FolderError as error:
        ...     print(error.what)
        nothing-here does not exist
    """


class EnvironmentMissingError(PipelineError):
    """Something this machine lacks: an extra, a GPU, a driver.

    Examples:
        >>> from pipeline import EnvironmentMissingError
        >>> EnvironmentMissingError("no NVIDIA GPU answers here").exit_code
        3
    """

    exit_code = 3


class BuildError(PipelineError):
    """The TensorRT builder failed, crashed or ran out of time.

    Examples:
        >>> from pipeline import BuildError
        >>> BuildError("the builder ran out of time").exit_code
        4
    """

    exit_code = 4


class ClaimError(PipelineError):
    """A promise made on the command line does not hold.

    Examples:
        >>> import onnx, pipeline
        >>> try:
        ...     pipeline.optimize(onnx.load("model.onnx"), require={"attention": 99})
        ... except pipeline.ClaimError as error:
        ...     print(error.what)
        --require attention=99: 2 of 99 attention sites are fused
    """

    exit_code = 1


def lacks_memory(error: BaseException) -> bool:
    """Return whether an error, or what caused it, says that memory ran out."""
    return any(
        isinstance(link, MemoryError)
        or getattr(link, "errno", None) == errno.ENOMEM
        or any(words in str(link) for words in _NO_MEMORY)
        for link in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(20):  # a chain may be a ring
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def first_line(error: BaseException) -> str:
    """Return the first line of an error that says something, at most 400 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:400]


class Terminated(SystemExit):
    """Our own end on SIGTERM: passes through every clean-up, and is no foreign sys.exit."""
