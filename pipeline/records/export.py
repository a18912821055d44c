"""What the export says: the parts, what they take and give, and what they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar, Literal, TypeAlias

from pipeline.records.record import Finite, Place, Record
from pipeline.records.task import ClassesSpec, EmbeddingSpec
from pipeline.records.tensors import SizeRange, TensorSpec
from pipeline.types import Json

SourceKind: TypeAlias = Literal["hf", "hub", "preset", "function"]
TokenIds: TypeAlias = int | tuple[int, ...]
Item: TypeAlias = int | Finite | str | tuple[int, ...]
# A setting of a generation configuration; lists of lists of ids, as of words that must not come.
Setting: TypeAlias = bool | int | Finite | str | tuple[int | Finite | str | tuple[Item, ...], ...]


@dataclass(frozen=True, kw_only=True)
class ExportedPart:
    """One graph of the model.

    Attributes:
        file: Where it lies.
        inputs, outputs: What it takes and gives, in order.
        dims: Range of every size that may change.
        opset: Of the file.
        nodes: How many it has.
        cache_capacity: Positions of a cache of fixed size, 0 where there is none.
    """

    file: Place
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    dims: Mapping[str, SizeRange]
    opset: int
    nodes: int
    cache_capacity: int = 0


@dataclass(frozen=True, kw_only=True)
class ToldOptions:
    """The options of the export that decide its result; see `ExportOptions`.

    Attributes:
        model: What was given as MODEL; the mere name where `ModelSource.path` says where it lies.
        checkpoint: Relative to the folder; None where none was given.
        adapter: Relative to the folder; None where none was given.
    """

    model: str
    task: str
    dtype: str
    opset: int | None
    exporter: str
    kv_cache: str
    capacity: int | None
    logits: str
    trust_remote_code: bool
    seed: int
    checkpoint: str | None = None
    adapter: str | None = None


@dataclass(frozen=True, kw_only=True)
class SavedState:
    """What a function's module held, and where.

    Attributes:
        file: Holds what lies in no graph, and says where the rest is.
        data: The data file of the graphs, None where they have none.
    """

    file: Place
    data: Place | None


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """What was exported, told so that it can be loaded again.

    Attributes:
        source: The preset, the hub's ORG/NAME, or the file's name.
        kind: Which of these.
        random_weights: Whether no weights were given.
        options: Of the export.
        path: The checkpoint, or `file.py::function`, relative to the folder; None for others.
        state: Of a function's model; None for others, which come out the same each time.
    """

    source: str
    kind: SourceKind
    random_weights: bool
    options: ToldOptions
    path: str | None = None
    state: SavedState | None = None


@dataclass(frozen=True, kw_only=True)
class SharedWeights:
    """The data file of all parts.

    Attributes:
        file: Where it lies, None where every weight is inside its graph.
        bytes: Its size.
        tensors: How many it holds.
        shared: How many of them more than one part refers to.
    """

    file: Place | None
    bytes: int
    tensors: int
    shared: int


@dataclass(frozen=True, kw_only=True)
class ExportProof:
    """How near the graphs come to PyTorch, at sizes they were not traced with.

    Attributes:
        largest_relative_difference: By part, relative to the largest value.
    """

    largest_relative_difference: Mapping[str, Finite]


@dataclass(frozen=True, kw_only=True)
class GenerationSpec:
    """Special tokens and lengths that a decoding loop needs; None where the model names none.

    Attributes:
        own: What else the model's generation asks for, by the names of transformers' configuration.
        rows_share_angles: Whether the longest row decides the rotary angles of every row and
            position, as in dynamic and long RoPE.
        angles_change_after: Length from which on the model's own loop reads a text anew, since
            all its rotary angles change there; None where it never does.
    """

    bos_token_id: TokenIds | None = None
    eos_token_id: TokenIds | None = None
    pad_token_id: TokenIds | None = None
    decoder_start_token_id: TokenIds | None = None
    forced_bos_token_id: TokenIds | None = None
    forced_eos_token_id: TokenIds | None = None
    suppress_tokens: tuple[int, ...] | None = None
    begin_suppress_tokens: tuple[int, ...] | None = None
    max_length: int | None = None
    own: Mapping[str, Setting] = field(default_factory=dict)
    rows_share_angles: bool = False
    angles_change_after: int | None = None

    @property
    def ends(self) -> tuple[int, ...]:
        """The ids that end a text."""
        found = self.eos_token_id
        return () if found is None else (found,) if isinstance(found, int) else found

    @property
    def pad(self) -> int | None:
        """The id that fills up rows, where the model names one."""
        return _first(self.pad_token_id)

    @property
    def filling(self) -> int:
        """The id that fills up rows: an end mark where the model names none, else 0."""
        return self.pad if self.pad is not None else next(iter(self.ends), 0)

    @property
    def start(self) -> int | None:
        """The id a decoder begins with behind an encoder."""
        given = self.decoder_start_token_id
        return _first(self.bos_token_id if given is None else given)

    def told(self) -> dict[str, Json]:
        """Return what the model names, by the names of transformers' configurations."""
        known = {name: getattr(self, name) for name in SPECIAL}
        named = {name: value for name, value in known.items() if value is not None}
        return {name: _plain(value) for name, value in (named | dict(self.own)).items()}


# The fields that transformers' configuration has under the same names.
SPECIAL = tuple(
    one.name
    for one in fields(GenerationSpec)
    if one.name not in ("own", "rows_share_angles", "angles_change_after")
)


@dataclass(frozen=True, kw_only=True)
class ExportRecord(Record):
    """The facts of the stage `export`.

    Attributes:
        task: What the model is for; "custom" for a function's.
        model: Where it came from.
        parts: Its graphs by name, an encoder before its decoder.
        opset: The highest among them.
        exporter: The one that held.
        rejected_exporters: Exporter -> why its result was not taken.
        kv_cache: "concat", "static" or "none" for a decoder; None without a cache.
        weights: The data file they share.
        proof: What was shown about them.
        tokenizer: Where it lies, None if none came with the model.
        generation: For a model that generates.
        embedding: For a sentence encoder.
        classes: For a classifier.

    Examples:
        >>> from pipeline import ExportRecord, open_folder
        >>> record = ExportRecord.of(open_folder("out").stage("export"))
        >>> record.task, record.parts["model"].dims["batch"].min
        ('feature-extraction', 1)
    """

    FORMAT: ClassVar[int] = 4
    COMMAND: ClassVar[str] = "export"

    task: str
    model: ModelSource
    parts: Mapping[str, ExportedPart]
    opset: int
    exporter: str
    rejected_exporters: Mapping[str, str]
    kv_cache: str | None
    weights: SharedWeights
    proof: ExportProof
    tokenizer: Place | None
    generation: GenerationSpec | None
    embedding: EmbeddingSpec | None = None
    classes: ClassesSpec | None = None

    @property
    def last_part(self) -> ExportedPart:
        """The last part: the one that decodes, where the model generates."""
        return list(self.parts.values())[-1]


def _plain(value: Setting) -> Json:
    """Return a setting as transformers takes it: lists for tuples."""
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _first(ids: TokenIds | None) -> int | None:
    if isinstance(ids, tuple):
        return ids[0] if ids else None
    return ids
