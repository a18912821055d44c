"""ONNX Runtime's plumbing: settings, sessions, values, memory; needs numpy and onnxruntime alone.

The one place where sessions are opened, run and bound: for the runners, for the proofs of export
and optimize, and for a bundle, which ships these files as they are.
"""

from __future__ import annotations

import importlib.util


def runtime_installed() -> bool:
    """Return whether ONNX Runtime is there; only `settings` and `known_crashes` load without."""
    return importlib.util.find_spec("onnxruntime") is not None
