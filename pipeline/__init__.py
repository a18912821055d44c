"""From a PyTorch transformer to a fused ONNX graph and a TensorRT engine, with proof.

Every command is a function: see `pipeline.api`, whose names can all be imported from here. They
load their modules when they are first used, so `import pipeline` loads no framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline import api

if TYPE_CHECKING:
    from pipeline.api import *  # noqa: F403 - the names in api.__all__

__version__ = "0.1.0"

__all__ = ["__version__"]
__all__ += api.__all__


if not TYPE_CHECKING:  # or a type checker would believe in any name

    def __getattr__(name: str) -> object:
        """Return one of the names of `pipeline.api`."""
        return getattr(api, name)


def __dir__() -> list[str]:
    """Return the names, for completion in a notebook."""
    return __all__
