"""`pipeline build-engine`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.api import BuildEngineOptions
from pipeline.cli.console import Console
from pipeline.cli.options import Flag, common, options_of, output_option, with_options
from pipeline.cli.summary import artifact_data, artifact_lines
from pipeline.cli.values import MemoryPool, Range, Shapes

# trtexec's spellings, which people know; ours beside them
FLAGS = {
    "compute_capabilities": Flag(("--computeCapabilities",)),
    "min_shapes": Flag(("--minShapes",), type=Shapes(), split=False),
    "opt_shapes": Flag(("--optShapes",), type=Shapes(), split=False),
    "max_shapes": Flag(("--maxShapes",), type=Shapes(), split=False),
    "dims": Flag(("--dim",), type=Range()),
    "profile_count": Flag(("--profiles",)),
    "workspace_bytes": Flag(
        ("--memPoolSize", "--mem-pool-size"),
        "Limit of the builder's scratch memory, such as workspace:4096 (MiB) or 4GiB.",
        MemoryPool(),
    ),
    "timing_cache_file": Flag(("--timingCacheFile",)),
    "builder_optimization_level": Flag(("--builderOptimizationLevel",)),
    "profiling_verbosity": Flag(("--profilingVerbosity",)),
    "allow_weight_streaming": Flag(("--allowWeightStreaming",)),
    "timeout_s": Flag(("--timeout",)),
}
OPTIONS = options_of(BuildEngineOptions, skip=("model", "output"), flags=FLAGS)


@click.command("build-engine")
@click.argument("model", type=click.Path(path_type=Path))
@output_option("Folder for the artifact, or one .plan file.")
@with_options(OPTIONS)
@click.option("--noTF32", "no_tf32", is_flag=True, help="The default; accepted as trtexec has it.")
@common
def command(
    model: Path, output: Path, no_tf32: bool, as_json: bool, verbose: int, **values: Any
) -> None:
    """Build TensorRT engines from MODEL, an ONNX file or an artifact folder.

    TensorRT-RTX builds for every GPU named without having one; full TensorRT builds for the GPU
    of this machine. What the builder would refuse is found before it starts.
    """
    from pipeline.api import UsageError, build_engines

    if no_tf32 and values["tf32"]:
        raise UsageError("--tf32 and --noTF32 contradict each other", fix="give one of them")
    with Console(as_json=as_json, verbose=verbose) as console:
        options = BuildEngineOptions(model=model, output=output, **values)
        artifact = build_engines(options, console)
        console.result(artifact_lines(artifact), artifact_data(artifact))
