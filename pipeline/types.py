"""Small types shared by every stage; imports nothing heavy."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias, get_args

Target = Literal["onnx", "ort-cpu", "ort-cuda", "tensorrt", "tensorrt-rtx"]
Precision = Literal["fp32", "fp16", "bf16", "int8", "int8-weights", "fp8", "int4"]
Method = Literal["rtn", "gptq"]
RunnerName = Literal["torch", "ort", "tensorrt"]

TARGETS: tuple[str, ...] = get_args(Target)
ROUNDED = frozenset({"int8", "int8-weights", "int4"})  # stored weights become integers
PRECISIONS: tuple[str, ...] = get_args(Precision)

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class Progress(Protocol):
    """Receives what a long stage is doing; the command line draws it.

    Examples:
        >>> import onnx, pipeline
        >>> class Printed:
        ...     def step(self, text, done=None, total=None):
        ...         print(text)
        ...     def note(self, text):
        ...         print(text)
        >>> pipeline.optimize(onnx.load("model.onnx"), progress=Printed())  # doctest: +ELLIPSIS
        normalising
        ...
    """

    def step(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Report the current activity, with a count where one is known."""

    def note(self, text: str) -> None:
        """Report a fact worth keeping on screen."""


class Silent:
    """A Progress that shows nothing."""

    def step(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Ignore the step."""

    def note(self, text: str) -> None:
        """Ignore the note."""


SILENT = Silent()
