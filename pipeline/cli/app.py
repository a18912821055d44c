"""The `pipeline` command: which commands there are, and what their endings mean.

Commands are loaded only when one is called, so `pipeline --help` imports no framework and
none of the stages. Exit codes: pipeline/errors.py, and 130 for Ctrl-C, 70 for a bug of ours.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

import click

from pipeline import __version__
from pipeline.cli import child, streams
from pipeline.cli.console import print_error, tell
from pipeline.cli.endings import explained
from pipeline.errors import Terminated

INTERRUPTED, TERMINATED, OUR_BUG = 130, 143, 70

_SIGNALS: list[int] = []  # of Ctrl-C, so far

# name -> (module under pipeline.cli.commands, the line shown by --help), in the order of work
COMMANDS = {
    "doctor": ("doctor", "Say what this machine can build and run, and what it lacks."),
    "run": ("run", "Take a model through all stages, reusing what is current."),
    "export": ("export", "Turn a PyTorch model into ONNX with dynamic dimensions."),
    "optimize": ("optimize", "Fuse any ONNX file for a target, each rewrite proven."),
    "explain": ("explain", "Show every attention and norm: fused by what, or why not."),
    "build-engine": ("build_engine", "Build TensorRT engines for one or more kinds of GPU."),
    "parity": ("parity", "Compare candidates with a reference, within a budget."),
    "perf": ("perf", "Measure contenders in turns, with confidence intervals."),
    "report": ("report", "Write one self-contained page about a folder."),
    "pack": ("pack", "Bundle a folder for verification on another machine."),
    "package": ("package", "Write a model as another runtime loads it, and ask that runtime."),
    "translate": ("translate", "Translate a text with an artifact."),
    "generate": ("generate", "Continue a prompt with an artifact."),
    "classify": ("classify", "Classify a text with an artifact."),
    "rerank": ("rerank", "Rank documents by how well they answer a query."),
    "embed": ("embed", "Turn texts into vectors with an artifact."),
    "fill-mask": ("fill_mask", "Fill in the masked words of a text with an artifact."),
    "serve": ("serve", "Answer OpenAI's clients with artifacts, over HTTP."),
}


class Commands(click.Group):
    """A group that imports a command's module when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, None if there is no such name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"pipeline.cli.commands.{COMMANDS[cmd_name][0]}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command to call; an unknown name is an error with the nearest one."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, 1)
            hint = f"Did you mean '{near[0]}'?" if near else "Try 'pipeline --help'."
            raise click.UsageError(f"No such command '{name}'. {hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command; click would end with 1, a failed comparison, on a closed pipe."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _leave_output()
            return 0  # the reader went away, as `head` does; it has what it wanted

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands and their lines without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: pipeline run zh-en -o out. Each command has its own --help.",
)
@click.version_option(__version__, prog_name="pipeline")
def group() -> None:
    """Take a transformer from PyTorch to fused ONNX and TensorRT, with proof at each step."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave the process with its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, _interrupt)
    streams.make_usable()
    child.limit_child()
    words = sys.argv[1:] if arguments is None else list(arguments)
    sys.exit(run(words, in_child=True))


def run(arguments: Sequence[str], *, in_child: bool = False) -> int:
    """Run the command line and return its exit code; errors are shown on stderr.

    Args:
        arguments: The words after `pipeline`.
        in_child: Whether commands on files from anyone run in a child with limits.
    """
    try:
        if in_child and (files := child.files_of(arguments)):
            return child.run_in_child(arguments, files)
        code = group.main(list(arguments), prog_name="pipeline", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _interrupted()
    except Terminated:
        raise
    except BaseException as error:  # panics of libraries in Rust are no Exceptions
        return _ended(error, arguments)
    return code if isinstance(code, int) else 0


def _ended(error: BaseException, arguments: Sequence[str]) -> int:
    """Show what ended a command and return its exit code."""
    if _SIGNALS:  # Ctrl-C inside an import comes out as whatever the library makes of it
        return _interrupted()
    shown = explained(error)
    if shown is None:
        traceback.print_exception(error)
        tell("This is a bug in pipeline; the lines above are what a report needs.")
        return OUR_BUG
    if isinstance(error, OSError) and shown.exit_code == 2:
        _leave_output()  # what is buffered may be what cannot be written
    print_error(shown, as_json="--json" in arguments)
    return shown.exit_code


def _interrupted() -> int:
    tell("interrupted; nothing half-made is left")
    return INTERRUPTED


def _leave_output() -> None:
    """Point standard output nowhere, so that what is still buffered raises no second error."""
    with contextlib.suppress(OSError, ValueError):  # a test's output has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Remember Ctrl-C: a library that is being imported may turn it into an error of its own."""
    _SIGNALS.append(number)
    raise KeyboardInterrupt


def _terminate(number: int, frame: FrameType | None) -> None:
    """End on SIGTERM as on Ctrl-C: through every clean-up on the stack."""
    raise Terminated(TERMINATED)
