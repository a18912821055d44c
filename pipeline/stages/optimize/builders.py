"""Which engine builder `--check-build` asks on this machine."""

from __future__ import annotations

from pipeline import tensorrt_api
from pipeline.stages.optimize.options import CheckBuild
from pipeline.tensorrt_api import Flavour


def builder_flavour(check: CheckBuild) -> Flavour | None:
    """Return whose builder is asked, None where none is.

    Raises:
        EnvironmentMissingError: One is wanted by all means, and none is installed.
    """
    if check == "no":
        return None
    if "tensorrt-rtx" in tensorrt_api.installed():
        return "tensorrt-rtx"
    return None if check == "small" else tensorrt_api.choose("auto")


def builder_name(check: CheckBuild) -> str:
    """Return the builder and its version, for a recipe; `` where none is asked.

    Raises:
        EnvironmentMissingError: As `builder_flavour`.
    """
    flavour = builder_flavour(check)
    return f"{flavour} {tensorrt_api.wheel_version(flavour)}" if flavour else ""
