"""The command line: each command parses, calls one function, renders, sets the exit code."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line; Ctrl-C ends it quietly even while it is still loading."""
    try:
        from pipeline.cli.app import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()
