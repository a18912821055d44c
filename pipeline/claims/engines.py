"""Claims on engines. What only a GPU can confirm is said to be unchecked, with what would do it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.artifacts import Artifact
from pipeline.claims.graphs import precision_claim
from pipeline.claims.ledger import Claim, judge
from pipeline.graph.onnx_files import load_model

Elsewhere = Sequence[Mapping[str, Any]]
_PACK = "`pipeline pack` verifies it on a machine that has one"


def engine_claims(
    artifact: Artifact, graph: Artifact | None, exported: Artifact | None, elsewhere: Elsewhere
) -> Iterator[Claim]:
    """Yield the claims of one `build-engine.<variant>` artifact, part by part.

    Args:
        artifact: The engines.
        graph: The `optimize.<variant>` artifact they were built from, if it is in the folder.
        exported: The export, which knows the sizes that were promised.
        elsewhere: Results of bundles, as their JSON.
    """
    for part, facts in artifact.facts["parts"].items():
        file = str(facts["file"])
        known = graph.facts["parts"].get(part) if graph is not None else None
        if graph is not None and known is not None:
            yield from _as_typed(artifact, graph, part, known, facts)
        sizes = known or (exported.facts["parts"].get(part) if exported is not None else None)
        if sizes is not None and sizes.get("dims"):
            yield from _covers(facts, sizes, file)
        yield from _attention(facts, file)
        yield _loads(artifact, part, facts, elsewhere)


def _as_typed(
    artifact: Artifact,
    graph: Artifact,
    part: str,
    known: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> Iterator[Claim]:
    """The builder is strongly typed: the graph's types are the engine's, if it is that graph."""
    file = str(facts["file"])
    precision = str(graph.facts.get("precision", "fp32"))
    current = artifact.parents.get("graph") == graph.digest
    claim = precision_claim(load_model(graph.path(known["file"])), precision, known, file)
    evidence = f"{claim.evidence}, read from the graph it was built from (strongly typed)"
    if not current:
        evidence = "the graph has been made again since the engine was built"
    yield judge(
        f"{part}: the engine is {precision}", current and claim.state == "kept", evidence, file
    )
    names = {entry["name"] for entry in (*facts["inputs"], *facts["outputs"])}
    model = load_model(graph.path(known["file"]))
    weights = model.graph.initializers
    wanted = {str(v.name) for v in (*model.graph.inputs, *model.graph.outputs)} - set(weights)
    lost = sorted(names ^ wanted)
    evidence = f"{len(names)} tensors" + (f"; not the same: {', '.join(lost)}" if lost else "")
    yield judge(
        f"{part}: the engine's inputs and outputs are the graph's", not lost, evidence, file
    )


def _covers(facts: Mapping[str, Any], sizes: Mapping[str, Any], file: str) -> Iterator[Claim]:
    """Every exported range must lie within what the profiles span together."""
    for entry in sizes.get("inputs", ()):
        for axis, dim in enumerate(entry["shape"]):
            wanted = sizes["dims"].get(dim) if isinstance(dim, str) else None
            spans = [p[entry["name"]] for p in facts["profiles"] if entry["name"] in p]
            if wanted is None or not spans:
                continue
            low = min(span[0][axis] for span in spans)
            high = max(span[2][axis] for span in spans)
            good = low <= wanted["min"] and wanted["max"] <= high
            yield judge(
                f"{entry['name']}: {dim} from {wanted['min']} to {wanted['max']}",
                good,
                f"the profiles take {low} to {high}",
                file,
            )


def _attention(facts: Mapping[str, Any], file: str) -> Iterator[Claim]:
    rows = facts.get("attention") or []
    dedicated = sum(row["dedicated"] is True for row in rows)
    if rows and not facts.get("decomposable", True):
        yield judge(
            "every attention has a dedicated kernel",
            dedicated == len(rows),
            f"{dedicated} of {len(rows)}, and the engine was built with decomposition off",
            file,
        )
    elif rows and dedicated == len(rows):
        evidence = f"the builder has one for each of the {len(rows)} forms, asked one by one"
        yield Claim("every attention has a dedicated kernel", "kept", evidence, file)


def _loads(artifact: Artifact, part: str, facts: Mapping[str, Any], elsewhere: Elsewhere) -> Claim:
    """An engine proves itself only where its GPU is: here, or in a bundle's results."""
    variant = artifact.stage.partition(".")[2]
    file, name = str(facts["file"]), f"{part}.{variant}.engine"
    claim = f"{part}: runs on {', '.join(facts['targets'])} and is right"
    for results in elsewhere:
        if results.get("artifacts", {}).get(artifact.stage) != artifact.digest:
            continue
        for record in results["results"]:
            if record["name"] == name and record["ran"]:
                evidence = f"{len(record['cases'])} sets of inputs on {record['device']}"
                gpu = results["machine"].get("gpu", "")
                return judge(claim, bool(record["right"]), f"{evidence}, {gpu}", file)
    return Claim(claim, "unchecked", f"no NVIDIA GPU has loaded it yet; {_PACK}", file)
