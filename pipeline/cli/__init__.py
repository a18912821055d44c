"""The command line: each command parses, calls one function, renders, sets the exit code."""

from __future__ import annotations

from pipeline.cli.app import main

__all__ = ["main"]
