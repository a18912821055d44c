"""The whole way in one table: every tiny preset and real checkpoint, from PyTorch to fused graphs.

python -m reports.exports.whole              # whole.json, and its table in report.md
python -m reports.exports.whole gpt2-tiny    # only these, merged into whole.json
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pipeline.records.export import ExportRecord
from pipeline.records.optimize import OptimizedPart, OptimizeRecord
from reports.exports.render import COLUMNS, WHOLE, known, write

os.environ.setdefault("OMP_NUM_THREADS", "1")

REAL = ("minilm", "stories15m", "smollm2")
TARGETS = ("ort-cpu", "tensorrt")
NEW_TOKENS = 32

Graphs = Mapping[str, Mapping[str, str]]
"""Variant -> part -> its file."""


def location(name: str) -> str:
    """Return what `pipeline export` is given for a preset or a real checkpoint's name."""
    if name not in REAL:
        return name
    from tests import real_checkpoints

    return str(getattr(real_checkpoints, name)())


def measure(model: str, folder: Path) -> dict[str, str]:
    """Return a model's row: "yes", or what is in the way, for every column."""
    from pipeline.errors import PipelineError
    from pipeline.parity.options import ParityOptions
    from pipeline.parity.stage import compare_parity
    from pipeline.stages.export.options import ExportOptions
    from pipeline.stages.export.stage import export_model
    from pipeline.stages.optimize.options import OptimizeOptions
    from pipeline.stages.optimize.stage import optimize_model

    try:
        exported = export_model(ExportOptions(model, folder))
        made = {t: optimize_model(OptimizeOptions(folder, target=t)) for t in TARGETS}  # type: ignore[arg-type]
        compare_parity(ParityOptions(folder, sentences=0))
    except PipelineError as err:
        return dict.fromkeys(COLUMNS, "–") | {"exports": f"no: {err.what.splitlines()[0]}"}
    record = ExportRecord.of(exported)
    fused_parts = {target: OptimizeRecord.of(artifact).parts for target, artifact in made.items()}
    graphs = {
        name: {part: about.file for part, about in parts.items()}
        for name, parts in {"exported": record.parts, **fused_parts}.items()
    }
    return {
        "exports": "yes",
        "sizes": sizes(folder, graphs),
        **judged(json.loads((folder / "parity/parity.json").read_text()), len(graphs)),
        "tokens": tokens(folder, record, graphs),
        **{target: fused(parts) for target, parts in fused_parts.items()},
    }


def sizes(folder: Path, graphs: Graphs) -> str:
    """Return the named sizes of the graphs' inputs, read off the files."""
    import onnx

    found: dict[str, set[str]] = {}
    for name, parts in graphs.items():
        found[name] = set()
        for file in parts.values():
            graph = onnx.load(folder / file, load_external_data=False).graph
            dims = (d for value in graph.input for d in value.type.tensor_type.shape.dim)
            found[name] |= {d.dim_param for d in dims if d.dim_param}
    lost = {name: found["exported"] - kept for name, kept in found.items()}
    if any(lost.values()):
        return f"no: {lost}"
    return ", ".join(sorted(size for size in found["exported"] if size.isidentifier()))


def judged(parity: Mapping[str, Any], variants: int) -> dict[str, str]:
    """Return what the comparison says: loaded, within budget, chunks of a prompt equal it whole."""
    rows = [row for part in parity["parts"].values() for row in part["candidates"]]
    skipped = [f"{row['name']}: {row['skipped']}" for row in rows if row["skipped"]]
    names = {row["name"] for row in rows}
    usage = max((o["usage"] or 9 for row in rows for o in row["outputs"]), default=9.0)
    chunks = [c for row in rows for c in row["checks"] if c["name"] == "chunked prefill"]
    bad = sorted({row["name"] for row in rows if row["passed"] is False})
    return {
        "loads": "yes" if not skipped and len(names) == variants else f"no: {skipped or names}",
        "budget": f"yes, {100 * usage:.0f} % of it" if not bad else f"no: {', '.join(bad)}",
        "cache": "–" if not chunks else "yes" if all(c["passed"] for c in chunks) else "no",
    }


def tokens(folder: Path, exported: ExportRecord, graphs: Graphs) -> str:
    """Return whether every graph chooses the tokens PyTorch chooses, for a model that generates."""
    import numpy as np

    from pipeline.stages.export.load import reload_parts
    from pipeline.stages.runners.decoding import Decoder, greedy
    from pipeline.stages.runners.open import open_runner
    from pipeline.stages.runners.torch_runner import TorchRunner

    inputs, special = exported.last_part.inputs, exported.generation
    if not any(entry.name.startswith("past_key_values.") for entry in inputs):
        return "–"
    start = special.start if special is not None and "encoder" in exported.parts else None
    ids = np.random.default_rng(0).integers(3, 90, (2, 8))

    def generate(runners: dict[str, Any]) -> list[list[int]]:
        decoder = Decoder(runners, inputs)
        made = greedy(decoder, ids, np.ones_like(ids), start=start, end=(), max_new=NEW_TOKENS)
        return made.tokens

    parts = reload_parts(exported.model, folder).parts
    wanted = generate({p.name: TorchRunner(p.module, tuple(p.inputs), p.outputs) for p in parts})
    off = []
    for name, about in graphs.items():
        with ExitStack() as stack:
            files = {n: folder / file for n, file in about.items()}
            opened = {n: stack.enter_context(open_runner(f, threads=1)) for n, f in files.items()}
            off += [name] if generate(opened) != wanted else []
    return f"no: {', '.join(off)}" if off else f"yes, 2 × {NEW_TOKENS}"


def fused(parts: Mapping[str, OptimizedPart]) -> str:
    """Return how many attentions and norms were fused, or which kind was not."""
    words = []
    for kind in ("attention", "norm"):
        rows = [part.count(kind) for part in parts.values()]
        done, plain, refused = (
            sum(getattr(row, k) for row in rows) for k in ("fused", "plain", "refused")
        )
        words.append(f"{done} {kind}{'' if done == 1 else 's'}")
        words[-1] += f" ({plain} plain, {refused} refused)" if plain or refused else ""
    whole = not any("(" in word for word in words)
    return ("yes, " if whole else "no: ") + ", ".join(words)


def main() -> None:
    """Measure the models named on the command line, or all, and write the report."""
    from models.presets import PRESETS

    tiny = [name for name in PRESETS if name.endswith("-tiny") or name == "zh-en"]
    found = known(WHOLE)
    for name in sys.argv[1:] or [*tiny, *REAL]:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found[name] = measure(location(name), Path(folder) / "out")
        print(name, round(time.monotonic() - started), "s", found[name], flush=True)
        write(whole=found)


if __name__ == "__main__":
    main()
