"""Check every claim of `Facts` against what a graph really computes.

    python tests/pipeline/graph/check_facts.py MODEL_DIR [MODEL_DIR ...]

A MODEL_DIR holds model.onnx and input sets (*.npz). Every intermediate value is made an output,
the graph is run, and each claimed shape and content must evaluate to what came out. Prints one
line per model and exits 1 if any claim is wrong.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import Dim


@dataclass
class Tally:
    """How many claims were made and which were wrong."""

    values: int = 0
    shaped: int = 0
    closed: int = 0
    contents: int = 0
    unchecked: int = 0
    failed: int = 0
    wrong: list[str] = field(default_factory=list)


def run_all(source: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return every value of the main graph, from ONNX Runtime or else the reference."""
    model = onnx.ModelProto()
    model.CopyFrom(source)
    outputs = {o.name for o in model.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in outputs:
                outputs.add(name)
                model.graph.output.append(onnx.ValueInfoProto(name=name))
    names = [o.name for o in model.graph.output]
    try:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        wanted = {i.name for i in session.get_inputs()}
        results = session.run(names, {k: v for k, v in feeds.items() if k in wanted})
    except Exception:
        from onnx.reference import ReferenceEvaluator

        results = ReferenceEvaluator(model).run(names, dict(feeds))
    return dict(zip(names, results, strict=True))


def bind_inputs(facts: Facts, model: ir.Model, feeds: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Return the number each declared size has for these inputs."""
    sizes: dict[str, int] = {}
    for value in model.graph.inputs:
        shape = facts.declared_shape(value)
        for dim, size in zip(shape or (), feeds[value.name or ""].shape, strict=True):
            if str(dim).isidentifier() or "." in str(dim):
                assert sizes.setdefault(str(dim), size) == size, (value.name, dim)
    return sizes


def holds(dim: Dim, size: int, sizes: dict[str, int]) -> bool | None:
    """Return whether a claim holds; None if it speaks of sizes not seen yet."""
    missing = dim.symbols - sizes.keys()
    if missing:
        if str(dim) in missing and str(dim)[0] in "$?":
            sizes[str(dim)] = size
        return None
    return dim.evaluate(sizes) == size


def check(proto: onnx.ModelProto, feed_sets: Iterable[Mapping[str, np.ndarray]]) -> Tally:
    """Return the tally of one model over input sets; a set it does not run on is left out."""
    model = ir.from_proto(proto)
    facts = Facts(model)
    tally = Tally(wrong=list(facts.doubts))
    for feeds in feed_sets:
        try:
            truth = run_all(proto, feeds)
        except Exception:  # an export may hold for the sizes it was traced with only
            tally.failed += 1
            continue
        sizes = bind_inputs(facts, model, feeds)
        for node in model.graph:
            for value in node.outputs:
                if value.name:
                    check_value(facts, value, truth[value.name], sizes, tally)
    return tally


def check_value(
    facts: Facts, value: ir.Value, truth: np.ndarray, sizes: dict[str, int], tally: Tally
) -> None:
    """Compare everything claimed of one value with the truth."""
    tally.values += 1
    shape = facts.shape(value)
    if facts.dtype(value) is None or facts.dtype(value).numpy() != truth.dtype:
        tally.wrong.append(f"{value.name}: dtype {facts.dtype(value)}, truly {truth.dtype}")
    if shape is None:
        return
    tally.shaped += 1
    tally.closed += not any(s[0] == "$" for d in shape for s in d.symbols)
    if len(shape) != truth.ndim:
        tally.wrong.append(f"{value.name}: {shape}, truly {truth.shape}")
        return
    verdicts = [holds(d, s, sizes) for d, s in zip(shape, truth.shape, strict=True)]
    tally.unchecked += None in verdicts
    if False in verdicts:
        tally.wrong.append(f"{value.name}: {shape}, truly {truth.shape}")
    ints = facts.ints(value)
    if ints is not None:
        tally.contents += 1
        flat = [int(x) for x in truth.reshape(-1)]
        same = len(flat) == len(ints)
        if not same or False in [holds(d, n, sizes) for d, n in zip(ints, flat, strict=True)]:
            tally.wrong.append(f"{value.name}: contents {ints}, truly {flat}")
    constant = facts.const(value)
    loose = {"rtol": 1e-4, "atol": 1e-5}  # float32 summed in another order
    if constant is not None and not np.allclose(constant, truth, **loose, equal_nan=True):
        tally.wrong.append(f"{value.name}: constant differs")


def feed_sets(folder: Path) -> Iterator[dict[str, np.ndarray]]:
    """Yield the input sets of a folder; inputs may be marked `in:`, expected outputs `out:`."""
    for each in sorted(folder.glob("*.npz")):
        stored = np.load(each)
        yield {k.removeprefix("in:"): stored[k] for k in stored if not k.startswith("out:")}


def main(folders: list[str]) -> int:
    """Check each folder, print a line for each, return the exit code."""
    wrong = 0
    for folder in map(Path, folders):
        start = time.perf_counter()
        tally = check(onnx.load(folder / "model.onnx"), feed_sets(folder))
        share = tally.shaped / max(tally.values, 1)
        print(
            f"{folder.name}: {tally.values} values, {share:.2%} with shape, "
            f"{tally.closed / max(tally.values, 1):.2%} in declared sizes, "
            f"{tally.contents} contents, {tally.unchecked} unchecked, {len(tally.wrong)} wrong, "
            f"{tally.failed} sets do not run, {time.perf_counter() - start:.1f} s"
        )
        for line in tally.wrong[:8]:
            print("   ", line[:300])
        wrong += len(tally.wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
