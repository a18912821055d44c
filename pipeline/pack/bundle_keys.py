"""What run.py of a bundle reads and writes, key by key; it ships with it and needs Python alone.

The records of `pipeline.records.bundle` are the truth; a test holds these to them. Annotations are
evaluated here: what a key's absence means is part of them.
"""

from typing import TYPE_CHECKING, NotRequired, TypedDict

if TYPE_CHECKING:
    from pipeline.types import Json


class Limits(TypedDict):
    """The largest errors that one output may have."""

    rms: float
    quantile: float
    max: float


class Case(TypedDict):
    """One set of inputs: places of its arrays, and limits by precision and output."""

    name: str
    style: str
    inputs: str
    outputs: str
    limits: dict[str, dict[str, Limits]]


class Candidate(TypedDict):
    """One graph or engine of one part."""

    name: str
    part: str
    kind: str
    file: str
    target: str
    precision: str
    session: NotRequired["dict[str, Json]"]
    flavour: NotRequired[str]
    version: NotRequired[str]
    targets: NotRequired[list[str]]
    profiles: NotRequired[list[dict[str, object]]]


class Index(TypedDict):
    """bundle.json, and the digest of all the rest of it."""

    format: int
    digest: str
    artifacts: dict[str, str]
    candidates: list[Candidate]
    cases: dict[str, list[Case]]
    files: dict[str, str]


class OutputErrors(TypedDict):
    """Errors of one output on one case; `shape` where it is another than the reference's."""

    count: int
    rms: float | None
    quantile: float | None
    max: float | None
    bad: int
    rows: float | None
    shape: NotRequired[list[int] | None]


class Outcome(TypedDict):
    """One candidate on one case."""

    case: str
    right: bool
    outputs: NotRequired[dict[str, OutputErrors]]
    error: NotRequired[str]


class Row(TypedDict):
    """One candidate as this machine found it."""

    name: str
    precision: str
    ran: bool
    reason: NotRequired[str]
    device: NotRequired[str]
    cases: NotRequired[list[Outcome]]
    right: NotRequired[bool]
    latency_ms: NotRequired[dict[str, list[list[float]]]]
