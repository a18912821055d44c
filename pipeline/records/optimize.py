"""What the optimizer says: every site with its proof or refusal, and what the runtime is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from pipeline.ort.settings import SessionSettings
from pipeline.records.record import Finite, Place, Record
from pipeline.records.tensors import SizeRange, TensorSpec
from pipeline.types import Method

SiteState: TypeAlias = Literal["fused", "plain", "refused"]


@dataclass(frozen=True, kw_only=True)
class ProofRecord:
    """What was shown about one rewrite.

    Attributes:
        digest: The structure proven; instances with the same structure share it.
        runs: Input sets compared.
        error: Largest absolute difference from the float64 reference.
        allowed: The largest difference that would still have passed, on that input set.
        engine: What ran the replacement.
        ok: Whether every run passed.
        reason: Why not, with values.
        inputs: What it was shown on: ranges made up for the region, and each set of inputs to
            the whole graph.
        lacking: Why no activations are among them though they were asked for.
        seconds: Wall time of it; instances that share a proof took none of their own, and
            it does not count where records are compared.
    """

    digest: str
    runs: int
    error: Finite
    allowed: Finite
    engine: str
    ok: bool
    reason: str
    inputs: tuple[str, ...]
    lacking: str
    seconds: Finite = field(default=0.0, compare=False)


@dataclass(frozen=True, kw_only=True)
class RefusalRecord:
    """Why a site was not fused.

    Attributes:
        nearest: The construct or lowering that came nearest.
        step, steps: The first step that failed, of how many.
        asked: What that step asks, in words.
        reason: What it found, with values.
        node: The node it found it at.
        remedy: What to do about it, empty when nothing is known.
    """

    nearest: str
    step: int
    steps: int
    asked: str
    reason: str
    node: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class SiteRecord:
    """One place where a construct was recognised, or nearly.

    Attributes:
        construct: attention, norm, ...
        path: Module path, for people.
        anchor: Operator and name of the node the recogniser started from.
        state: `plain` is recognised and left on purpose.
        form: The recognised form.
        lowering: What fused it, empty when nothing did.
        proof: None when proofs are off.
        refusal: Why not, when not fused.
    """

    construct: str
    path: str
    anchor: str
    state: SiteState
    form: str
    lowering: str
    proof: ProofRecord | None = None
    refusal: RefusalRecord | None = None


@dataclass(frozen=True, kw_only=True)
class SiteCounts:
    """How many sites of one construct came to what."""

    fused: int
    plain: int
    refused: int


@dataclass(frozen=True, kw_only=True)
class NodeCounts:
    """Nodes of a graph before and after, constants left out."""

    before: int
    after: int


@dataclass(frozen=True, kw_only=True)
class LayerRecord:
    """A transformer layer recognised as a unit."""

    path: str
    form: str


@dataclass(frozen=True, kw_only=True)
class IslandRecord:
    """Regions that stay float32 for the same reasons.

    Attributes:
        count: How many there are.
        first: Module path of the first one.
        operators: How often each operator occurs in one of them.
        reasons: Why; empty when it only saves Casts.
    """

    count: int
    first: str
    operators: Mapping[str, int]
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TypingRecord:
    """What `--precision` did to a graph.

    Attributes:
        precision: What was asked for.
        low_nodes, high_nodes: Nodes that compute on the low type, and that stay float32.
        casts: Cast nodes added between them.
        casts_removed: Those of the original that changed nothing any more.
        ranged: Whether ranges of real or made-up runs were known.
        masks: Constants changed to survive the type: name to (old, new); old is None for -inf.
        inputs, outputs: Type of each floating graph input and output.
        islands: What stays float32.
    """

    precision: str
    low_nodes: int
    high_nodes: int
    casts: int
    casts_removed: int
    ranged: bool
    masks: Mapping[str, tuple[Finite | None, Finite]]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    islands: tuple[IslandRecord, ...]


@dataclass(frozen=True, kw_only=True)
class BuildCheckRecord:
    """What an engine builder said of a graph.

    Attributes:
        builder: Which one, in which version, for which compute capability.
        reason: Why the graph does not build; empty when it does.
        before: Why it did not before fusing either; empty when it did, or was not asked since the
            fused graph builds.
        taken_back: Sites left plain because the graph did not build with them fused.
        trials: How often the builder was asked.
        seconds: Wall time of it all.
    """

    builder: str
    reason: str
    before: str
    taken_back: int
    trials: int
    seconds: Finite


@dataclass(frozen=True, kw_only=True)
class GraphRecord:
    """What became of one graph.

    Attributes:
        counts: By construct.
        nodes: Before and after.
        sites: Every one, in the order of the passes.
        layers: Those recognised as units.
        session: What ONNX Runtime is told, as in `.session.json`.
        typing: What the precision did; None when none was asked for.
        build: What the engine builder said; None when it was not asked.
        rounding: How weights of 4 bits were rounded, `rtn` or `gptq`; None where none were.
    """

    counts: Mapping[str, SiteCounts]
    nodes: NodeCounts
    sites: tuple[SiteRecord, ...]
    layers: tuple[LayerRecord, ...]
    session: SessionSettings
    typing: TypingRecord | None
    build: BuildCheckRecord | None = None
    rounding: Method | None = None

    def count(self, construct: str) -> SiteCounts:
        """Return how many sites of a construct there are, by state."""
        return self.counts.get(construct, SiteCounts(fused=0, plain=0, refused=0))


@dataclass(frozen=True, kw_only=True)
class _Placed:
    file: Place
    inputs: tuple[TensorSpec, ...] | None = None
    outputs: tuple[TensorSpec, ...] | None = None
    dims: Mapping[str, SizeRange] | None = None


@dataclass(frozen=True, kw_only=True)
class OptimizedPart(GraphRecord, _Placed):
    """One optimized graph of a folder.

    Attributes:
        file: Where it lies.
        inputs, outputs, dims: As the export tells them; None for a file from elsewhere.
    """


@dataclass(frozen=True, kw_only=True)
class GateRecord:
    """One `--require`, with what was found."""

    gate: str
    found: int
    wanted: int


@dataclass(frozen=True, kw_only=True)
class OptimizeRecord(Record):
    """The facts of a stage `optimize.<target>-<precision>`.

    Attributes:
        target: What the graphs are for.
        precision: fp32 unless another was asked for.
        parts: The graphs by name.
        gates: Every `--require`, all of them kept.
        proof: How rewrites were proven: structure, full or none.

    Examples:
        >>> from pipeline import OptimizeRecord, open_folder
        >>> record = OptimizeRecord.of(open_folder("out").stage("optimize.ort-cpu-fp32"))
        >>> record.parts["model"].count("attention").fused
        2
    """

    FORMAT: ClassVar[int] = 2
    COMMAND: ClassVar[str] = "optimize"
    EMPTY: ClassVar[frozenset[str]] = frozenset({"typing"})

    target: str
    precision: str
    parts: Mapping[str, OptimizedPart]
    gates: tuple[GateRecord, ...]
    proof: str


@dataclass(frozen=True, kw_only=True)
class OptimizedFileRecord(GraphRecord, Record):
    """What became of one graph by itself: a file made into another, or a model in memory.

    Attributes:
        gates: Every `--require`, all of them kept.

    Examples:
        >>> import onnx, pipeline
        >>> pipeline.optimize(onnx.load("model.onnx")).record.nodes
        NodeCounts(before=96, after=63)
    """

    FORMAT: ClassVar[int] = 2
    COMMAND: ClassVar[str] = "optimize"
    EMPTY: ClassVar[frozenset[str]] = frozenset({"typing"})

    gates: tuple[GateRecord, ...]
