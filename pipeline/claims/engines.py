"""Claims on engines. What only a GPU can confirm is said to be unchecked, with what would do it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.artifacts import Artifact
from pipeline.claims.graphs import precision_claim
from pipeline.claims.ledger import Claim, judge
from pipeline.graph.files.model_file import load_model

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
    variant = artifact.stage.partition(".")[2]
    for part, facts in artifact.facts["parts"].items():
        name = f"{part}.{variant} engine"
        known = graph.facts["parts"].get(part) if graph is not None else None
        if graph is not None and known is not None:
            yield from _as_typed(artifact, graph, name, known, facts)
        sizes = known or (exported.facts["parts"].get(part) if exported is not None else None)
        if sizes is not None and sizes.get("dims"):
            yield from _covers(name, facts, sizes)
        yield from _attention(name, facts)
        yield _loads(artifact, name, facts, elsewhere)


def _as_typed(
    artifact: Artifact,
    graph: Artifact,
    name: str,
    known: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> Iterator[Claim]:
    """The builder is strongly typed: the graph's types are the engine's, if it is that graph."""
    file = str(facts["file"])
    precision = str(graph.facts.get("precision", "fp32"))
    current = artifact.parents.get("graph") == graph.digest
    claim = precision_claim(name, load_model(graph.path(known["file"])), precision, known, file)
    evidence = f"{claim.evidence}, read from the graph it was built from (strongly typed)"
    if not current:
        evidence = "the graph has been made again since the engine was built"
    yield judge(f"{name} is {precision}", current and claim.state == "kept", evidence, file)
    names = {entry["name"] for entry in (*facts["inputs"], *facts["outputs"])}
    model = load_model(graph.path(known["file"]))
    weights = model.graph.initializers
    wanted = {str(v.name) for v in (*model.graph.inputs, *model.graph.outputs)} - set(weights)
    lost = sorted(names ^ wanted)
    evidence = f"{len(names)} tensors" + (f"; not the same: {', '.join(lost)}" if lost else "")
    yield judge(f"{name}: inputs and outputs are the graph's", not lost, evidence, file)


def _covers(name: str, facts: Mapping[str, Any], sizes: Mapping[str, Any]) -> Iterator[Claim]:
    """Every exported range must lie within what the profiles span, whichever input has the dim."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for entry in sizes.get("inputs", ()):
        found = [p[entry["name"]] for p in facts["profiles"] if entry["name"] in p]
        for axis, dim in enumerate(entry["shape"]):
            if found and isinstance(dim, str) and dim in sizes["dims"]:
                low, high = min(f[0][axis] for f in found), max(f[2][axis] for f in found)
                spans.setdefault(dim, []).append((low, high))
    for dim, ends in spans.items():
        wanted = sizes["dims"][dim]
        low, high = max(low for low, _high in ends), min(high for _low, high in ends)
        yield judge(
            f"{name}: {dim} from {wanted['min']} to {wanted['max']}",
            low <= wanted["min"] and wanted["max"] <= high,
            f"the profiles take {low} to {high} on each of {len(ends)} axes",
            str(facts["file"]),
        )


def _attention(name: str, facts: Mapping[str, Any]) -> Iterator[Claim]:
    file = str(facts["file"])
    rows = facts.get("attention") or []
    dedicated = sum(row["dedicated"] is True for row in rows)
    if rows and not facts.get("decomposable", True):
        yield judge(
            f"{name}: every attention has a dedicated kernel",
            dedicated == len(rows),
            f"{dedicated} of {len(rows)}, and the engine was built with decomposition off",
            file,
        )
    elif rows and dedicated == len(rows):
        evidence = f"the builder has one for each of the {len(rows)} forms, asked one by one"
        yield Claim(f"{name}: every attention has a dedicated kernel", "kept", evidence, file)


def _loads(artifact: Artifact, name: str, facts: Mapping[str, Any], elsewhere: Elsewhere) -> Claim:
    """An engine proves itself only where its GPU is: here, or in a bundle's results."""
    file, record_name = str(facts["file"]), name.replace(" engine", ".engine")
    claim = f"{name} runs on {', '.join(facts['targets'])} and is right"
    for results in elsewhere:
        if results.get("artifacts", {}).get(artifact.stage) != artifact.digest:
            continue
        for record in results["results"]:
            if record["name"] == record_name and record["ran"]:
                evidence = f"{len(record['cases'])} sets of inputs on {record['device']}"
                gpu = results["machine"].get("gpu", "")
                return judge(claim, bool(record["right"]), f"{evidence}, {gpu}", file)
    return Claim(claim, "unchecked", f"no NVIDIA GPU has loaded it yet; {_PACK}", file)
