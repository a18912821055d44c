"""Trying the builder on a graph in memory: whether it builds, and if not, why.

What `build-engine` would say with its defaults, for one kind of GPU and without keeping the plan:
the same preflight, the same child with a time limit, the same words.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnx_ir as ir

from pipeline import tensorrt_api
from pipeline.builder.diagnose import diagnose
from pipeline.builder.graph import Graph, read_graph
from pipeline.builder.preflight import preflight
from pipeline.builder.profiles import default_ranges, profile_from_ranges
from pipeline.builder.relations import consistent
from pipeline.builder.request import PlanRequest
from pipeline.builder.shapes import Profile
from pipeline.builder.supervise import run_child
from pipeline.errors import BuildError, PipelineError
from pipeline.graph.files.model_file import save_model
from pipeline.records.tensors import SizeRange
from pipeline.tensorrt_api import Flavour
from pipeline.types import SILENT

TARGET = "8.9"  # what breaks a build breaks it on every GPU, save for types older ones lack
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Trial:
    """What the builder said of one graph.

    Attributes:
        reason: Why it does not build, with the node where one is known; empty when it does.
        seconds: Wall time.
    """

    reason: str
    seconds: float

    @property
    def built(self) -> bool:
        """Whether there would be a plan."""
        return not self.reason


@dataclass(frozen=True)
class Builder:
    """A builder that is asked about one graph in several forms.

    Attributes:
        flavour: Whose builder it is.
        ranges: What is known of the sizes of the graph's inputs, by name; others are taken by the
            place they stand in.
        timeout_s: Limit of one trial, in seconds; what takes longer counts as not built.
    """

    flavour: Flavour
    ranges: Mapping[str, SizeRange] = field(default_factory=dict)
    timeout_s: float = TIMEOUT_S

    @property
    def name(self) -> str:
        """Which builder, in which version, for which compute capability."""
        version = tensorrt_api.wheel_version(self.flavour)
        return f"{self.flavour} {version}, {', '.join(self._targets) or 'the GPU here'}"

    @property
    def _targets(self) -> tuple[str, ...]:
        return (TARGET,) if self.flavour == "tensorrt-rtx" else ()

    def ask(self, model: ir.Model) -> Trial:
        """Return whether a model builds; it is left as it was, and so is the disk.

        Raises:
            FolderError: There is no room for the graph in the folder for temporary files.
        """
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="pipeline-trial-") as scratch:
            path = Path(scratch, "graph.onnx")
            save_model(model, path)
            reason = self._refusal(path)
        return Trial(reason, time.monotonic() - started)

    def _refusal(self, path: Path) -> str:
        try:
            graph = read_graph(path)
            for finding in preflight(graph.seen, self._targets, path.parent):
                if finding.level == "error":
                    return f"{finding.what} ({finding.path or finding.node})"
            profiles = (_profile(graph, self.ranges),) if _is_dynamic(graph) else ()
            request = PlanRequest(
                task="build", flavour=self.flavour, onnx=path, plan=path.with_suffix(".plan"),
                targets=self._targets, profiles=profiles,
            )  # fmt: skip
            outcome = run_child(request, SILENT, self.timeout_s)
        except BuildError as error:
            return error.what
        except PipelineError as error:  # sizes that cannot be chosen: nothing was built
            return f"not tried: {error.what}"
        if outcome.good:
            return ""
        found = diagnose(outcome.heard, outcome.exit_code, outcome.stderr)
        said = f": {found.said}" if found.said and found.said not in found.cause else ""
        return f"{found.cause}{said}" + (f" ({found.node})" if found.node else "")


def _is_dynamic(graph: Graph) -> bool:
    return any(spec.dynamic for spec in graph.inputs)


def _profile(graph: Graph, known: Mapping[str, SizeRange]) -> Profile:
    defaults = default_ranges(graph.inputs)
    ranges = {**defaults, **{name: r for name, r in known.items() if name in defaults}}
    return profile_from_ranges(graph.inputs, consistent(graph.seen.model, ranges, set(known)))
