"""`pipeline build-engine`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.console import Console
from pipeline.cli.options import Flag, common, options_of, output_option, with_options
from pipeline.cli.summary import artifact_data, artifact_lines
from pipeline.stages.build_engine.options import BuildEngineOptions
from pipeline.types import PRECISIONS

# trtexec's spellings, which people know; ours beside them
FLAGS = {
    "precision": Flag(type=click.Choice(PRECISIONS)),
    "compute_capabilities": Flag(("--computeCapabilities", "--compute-capabilities")),
    "min_shapes": Flag(("--minShapes", "--min-shapes"), split=False),
    "opt_shapes": Flag(("--optShapes", "--opt-shapes"), split=False),
    "max_shapes": Flag(("--maxShapes", "--max-shapes"), split=False),
    "dims": Flag(("--dim",), split=False),
    "profile_count": Flag(("--profiles",)),
    "mem_pool_size": Flag(("--memPoolSize", "--mem-pool-size")),
    "timing_cache_file": Flag(("--timingCacheFile", "--timing-cache-file")),
    "builder_optimization_level": Flag(
        ("--builderOptimizationLevel", "--builder-optimization-level")
    ),
    "profiling_verbosity": Flag(("--profilingVerbosity", "--profiling-verbosity")),
    "allow_weight_streaming": Flag(("--allowWeightStreaming", "--allow-weight-streaming")),
    "tf32": Flag(("--tf32",)),
    "timeout_s": Flag(("--timeout",)),
}
OPTIONS = options_of(BuildEngineOptions, skip=("source", "output"), flags=FLAGS)


@click.command("build-engine")
@click.argument("source", type=click.Path(path_type=Path))
@output_option("Folder for the artifact, or one .plan file.")
@with_options(OPTIONS)
@click.option("--noTF32", "no_tf32", is_flag=True, help="The default; accepted as trtexec has it.")
@common
def command(
    source: Path, output: Path, no_tf32: bool, as_json: bool, verbose: int, **values: Any
) -> None:
    """Build TensorRT engines from SOURCE, an ONNX file or an artifact folder.

    TensorRT-RTX builds for every GPU named without having one; full TensorRT builds for the GPU
    of this machine. What the builder would refuse is found before it starts.
    """
    from pipeline.errors import UsageError
    from pipeline.stages.build_engine.stage import build_engines

    if no_tf32 and values["tf32"]:
        raise UsageError("--tf32 and --noTF32 contradict each other", fix="give one of them")
    with Console(as_json=as_json, verbose=verbose) as console:
        options = BuildEngineOptions(source=source, output=output, **values)
        artifact = build_engines(options, console)
        console.result(artifact_lines(artifact), artifact_data(artifact))
