"""What is timed: each part over the batch and length grid, and whole generations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.inputs import synthesize
from pipeline.perf.contender import GenerationJob, Job
from pipeline.records.export import ExportedPart, ExportRecord, GenerationSpec
from pipeline.records.tensors import SizeRange
from pipeline.stages.runners.decoding import cache_capacity
from pipeline.stages.runners.kv_cache import PAST

if TYPE_CHECKING:
    import onnx_ir as ir

BATCH = "batch"
TYPICAL = 64
GENERATION = "generation"


def part_sizes(
    part: ExportedPart, batches: Sequence[int], lengths: Sequence[int]
) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield (kind, sizes) of every timing of a part; sizes outside their ranges are clipped.

    A part with a cache is timed as one step over a filled cache ("step") and, where it reads
    prompts itself, on a whole prompt ("prefill"); other parts run whole inputs ("").

    Args:
        part: The exported part.
        batches: Batch sizes.
        lengths: Lengths; empty takes the typical size of the first dynamic length.
    """
    dims = part.dims
    new, past = _cache_dims(part)
    others = [name for name in dims if not _is_batch(name) and name not in (new, past)]
    typical = dims[others[0] if others else past or new].opt if (others or new) else TYPICAL
    seen: list[tuple[str, dict[str, int]]] = []
    for batch in batches:
        for length in lengths or (typical,):
            for kind, fixed in _kinds(dims, new, past, length, alone=not others):
                wanted = {n: batch if _is_batch(n) else fixed.get(n, length) for n in dims}
                sizes = {n: max(dims[n].min, min(dims[n].max, v)) for n, v in wanted.items()}
                if (kind, sizes) not in seen:
                    seen.append((kind, sizes))
                    yield kind, sizes


def _kinds(
    dims: Mapping[str, SizeRange], new: str, past: str, length: int, alone: bool
) -> list[tuple[str, dict[str, int]]]:
    if not past:
        return [("", {})]
    filled = max(0, min(length, dims[past].max - 1))
    kinds = [("step", {new: 1, past: filled})]
    return kinds + ([("prefill", {past: 0})] if alone else [])


def _cache_dims(part: ExportedPart) -> tuple[str, str]:
    """Return the names of the sizes of new and of cached positions, empty without a cache."""
    shapes = {entry.name: entry.shape for entry in part.inputs}
    cached = next((s for n, s in shapes.items() if n.startswith(PAST)), None)
    if cached is None or not isinstance(cached[2], str) or "input_ids" not in shapes:
        return "", ""
    return str(shapes["input_ids"][1]), cached[2]


def _is_batch(name: str) -> bool:
    return name == BATCH or name.endswith("batch_size")


def part_jobs(
    part: str,
    model: ir.Model,
    plans: Sequence[tuple[str, Mapping[str, int]]],
    folder: Path,
) -> list[Job]:
    """Return the jobs of one part, their inputs written into the folder."""
    jobs: list[Job] = []
    for kind, sizes in plans:
        shown = " ".join(f"{name}={size}" for name, size in sizes.items())
        name = " ".join(filter(None, (part, kind, shown)))
        path = folder / f"{part}-{len(jobs)}-{kind or 'run'}.npz"
        np.savez(path, **synthesize(model, sizes, seed=0, style="plain"))  # type: ignore[arg-type]
        jobs.append(Job(name, part, str(path), dict(sizes)))
    return jobs


def generation_job(exported: ExportRecord, tokens: int, length: int, folder: Path) -> Job | None:
    """Return the job of generating for one row of a typical length; None without a cache.

    Always the same number of tokens, whatever the model says: equal work for every contender.
    """
    special = exported.generation or GenerationSpec()
    inputs = exported.last_part.inputs
    steps = any(entry.name.startswith(PAST) for entry in inputs)
    if not steps or not tokens:
        return None
    limit = special.max_length or 1 << 20
    limit = min(limit, cache_capacity(inputs) or limit)
    encoder = "encoder" in exported.parts
    length = max(1, min(length, limit if encoder else limit - tokens - 1))
    tokens = min(tokens, limit - 2)
    ids = np.random.default_rng(0).integers(3, 64, (1, length))
    path = folder / "generation.npz"
    np.savez(path, input_ids=ids, attention_mask=np.ones_like(ids))
    timed = GenerationJob(tokens, special.start if encoder else None, inputs)
    return Job(GENERATION, "", str(path), {"batch": 1, "prompt": length, "tokens": tokens}, timed)
