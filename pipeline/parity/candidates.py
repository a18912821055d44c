"""What is compared: the variants an artifact folder holds, or files that were named."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import open_folder
from pipeline.errors import PipelineError
from pipeline.parity.ways import FORMATS, narrowest, output_precisions, output_units
from pipeline.records.engine import EngineRecord
from pipeline.records.export import ExportedPart
from pipeline.records.optimize import OptimizeRecord
from pipeline.records.variant import is_variant, variant_record
from pipeline.stages.runners.base import Runner
from pipeline.stages.runners.labels import distinct_names
from pipeline.stages.runners.open import ENGINE_SUFFIXES, open_runner
from pipeline.types import PRECISIONS

if TYPE_CHECKING:
    import onnx_ir as ir

VARIANT = re.compile(rf"-({'|'.join(PRECISIONS)})(?=$|\.)")


@dataclass(frozen=True)
class Candidate:
    """One file of one part.

    Attributes:
        name: The variant: "exported", "ort-cpu-fp32", "engine tensorrt-fp16", or the file's name.
        part: The part of the model it computes.
        file: Where it lies.
        precision: What it computes in.
        declared: Whether that was promised when it was made: then outputs that pass no quantiser
            are held to it, whatever types their graph has.
    """

    name: str
    part: str
    file: Path
    precision: str
    declared: bool = False

    @property
    def is_engine(self) -> bool:
        """Whether it is a TensorRT plan."""
        return self.file.suffix in ENGINE_SUFFIXES

    def precisions(self, outputs: Sequence[str]) -> dict[str, str]:
        """Return the precision of each output: of its way through the graph, or as declared."""
        if self.is_engine:
            # An engine shows no way; its int8 has fixed scales.
            whole = "int8-static" if self.precision == "int8" else self.precision
            return dict.fromkeys(outputs, whole)
        from pipeline.graph.files.model_file import load_model

        found = output_precisions(load_model(self.file))
        promised = self.declared and self.precision in ("fp32", "fp16", "bf16")
        return {
            name: self.precision
            if promised and found.get(name) not in FORMATS
            else found.get(name, self.precision)
            for name in outputs
        }

    def units(self) -> dict[str, float]:
        """Return what each output's kernel is exact to a few ulps of; nothing of an engine's."""
        if self.is_engine:
            return {}
        from pipeline.graph.files.model_file import load_model

        return output_units(load_model(self.file))

    def open(self, threads: int = 0) -> Runner:
        """Return a runner for the file.

        Types that ONNX Runtime's CPU kernels lack (bfloat16) run in the judge, as the graph
        declares them; the runner's description says so.

        Raises:
            EnvironmentMissingError: the runtime or the GPU is absent.
            BadModelError: the runtime refuses the file.
        """
        try:
            return open_runner(self.file, threads=threads)
        except PipelineError:
            if self.is_engine or self.precision != "bf16":
                raise
        from pipeline.stages.runners.judge_runner import JudgeRunner

        return JudgeRunner(self.file, "declared")


def folder_candidates(
    exported: Mapping[str, ExportedPart],
    others: Mapping[str, OptimizeRecord | EngineRecord],
    folder: Path,
) -> list[Candidate]:
    """Return every graph and engine of a folder, the exported ones first.

    Args:
        exported: The export's parts.
        others: The variants by the name of their stage.
        folder: Where their files lie.
    """
    found = [
        Candidate("exported", name, folder / part.file, graph_precision(folder / part.file))
        for name, part in exported.items()
    ]
    for stage, record in sorted(others.items(), key=lambda item: not item[0].startswith("opt")):
        verb, _, variant = stage.partition(".")
        name = variant if verb == "optimize" else f"engine {variant}"
        found += [
            Candidate(name, part, folder / about.file, name_precision(variant), declared=True)
            for part, about in record.parts.items()
        ]
    return found


def named_candidates(paths: Sequence[Path], part: str) -> list[Candidate]:
    """Return candidates for what was named: files of one part, or other artifact folders.

    A folder brings all its variants, told apart by its name.
    """
    found = []
    files = iter(file_candidates([path for path in paths if not path.is_dir()], part))
    for path in paths:
        if not path.is_dir():
            found.append(next(files))
            continue
        folder = open_folder(path)
        made = {name: folder.stage(name) for name in folder.stages()}
        others = {
            name: variant_record(artifact)
            for name, artifact in made.items()
            if artifact is not None and is_variant(name)
        }
        for candidate in folder_candidates({}, others, folder.path):
            found.append(replace(candidate, name=f"{path.name}/{candidate.name}"))
    return found


def file_candidates(files: Sequence[Path], part: str) -> list[Candidate]:
    """Return candidates for files that were named, each with a name of its own."""
    return [
        Candidate(
            name,
            part,
            file,
            name_precision(file.name) if file.suffix in ENGINE_SUFFIXES else graph_precision(file),
        )
        for file, name in zip(files, distinct_names(files), strict=True)
    ]


def name_precision(name: str) -> str:
    """Return the precision a variant or file name carries, fp32 when none."""
    match = VARIANT.search(name)
    return match[1] if match else "fp32"


def graph_precision(path: Path) -> str:
    """Return the precision of the output that loses most, read off the file."""
    from pipeline.graph.files.model_file import load_model

    return model_precision(load_model(path))


def model_precision(model: ir.Model) -> str:
    """Return the precision of the output that loses most; see `pipeline.parity.ways`."""
    return narrowest(output_precisions(model).values())
