"""What clients send, checked as it is read: an unknown or unsupported field is refused by name.

**Source**: OpenAI's API reference (chat completions, completions, embeddings). Fields that would
change an answer and are not supported are absent here, so that a request with one fails; those
that only name the caller are taken and change nothing.
"""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from pipeline.serve.refusals import RefusedError

Count = Annotated[int, msgspec.Meta(ge=1)]
Several = Annotated[int, msgspec.Meta(ge=1, le=128)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Heat = Annotated[float, msgspec.Meta(ge=0, le=2)]
Zero = Annotated[float, msgspec.Meta(ge=0, le=0)]
NoneOfThem = Annotated[list[Any], msgspec.Meta(max_length=0)]
Seed = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

_FIELD = re.compile(r"unknown field `([^`]+)`|at `\$\.([^`]+)`")
_SEED_BITS = 31


class TextPart(msgspec.Struct, forbid_unknown_fields=True):
    """A part of a message."""

    type: Literal["text"]
    text: str


class Message(msgspec.Struct, forbid_unknown_fields=True):
    """A turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]
    name: str | None = None
    # An answer of ours that comes back as a turn holds these, empty.
    refusal: None = None
    audio: None = None
    function_call: None = None
    annotations: NoneOfThem | None = None
    tool_calls: NoneOfThem | None = None

    def plain(self) -> dict[str, str]:
        """Return the turn as chat templates know it."""
        parts = self.content
        text = parts if isinstance(parts, str) else "".join(part.text for part in parts)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    """What a stream tells beside the answer."""

    include_usage: bool = False
    include_obfuscation: bool = False


class Choosing(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How tokens are chosen, and how they are told; the same for both kinds of completions."""

    model: str
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Several | None = 1
    seed: Seed | None = None
    stop: str | list[str] | None = None
    temperature: Heat | None = 1.0
    top_p: Share | None = 1.0
    top_k: Annotated[int, msgspec.Meta(ge=0)] = 0
    repetition_penalty: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    presence_penalty: Zero | None = 0.0
    frequency_penalty: Zero | None = 0.0
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: Literal[False] | None = False
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The strings that end an answer."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        if len(given) > 16 or not all(given):
            raise RefusedError(400, "stop takes up to 16 strings, none empty", param="stop")
        return tuple(given)

    @property
    def first_seed(self) -> int:
        """The seed of the first answer; another one each time where none was given."""
        return secrets.randbits(_SEED_BITS) if self.seed is None else self.seed

    @property
    def heat(self) -> float:
        """The temperature."""
        return 1.0 if self.temperature is None else self.temperature


class ChatRequest(Choosing, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    logprobs: bool | None = False
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None


class CompletionRequest(Choosing, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/completions`."""

    prompt: str | list[str | int | list[int]]
    max_tokens: Count | None = 16
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    echo: Literal[False] | None = False
    best_of: Literal[1] | None = 1


class EmbeddingRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/embeddings`."""

    model: str
    input: str | list[str]
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None


class TextsRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /classify` and `POST /translate`."""

    model: str
    input: str | list[str]

    @property
    def texts(self) -> list[str]:
        """The texts."""
        return [self.input] if isinstance(self.input, str) else self.input


class RerankRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/rerank`, as Jina's and Cohere's clients ask."""

    model: str
    query: str
    documents: list[str]
    top_n: Count | None = None
    return_documents: bool = True


Asked = TypeVar("Asked")


def read(body: bytes, kind: type[Asked]) -> Asked:
    """Return the request in a body.

    Raises:
        RefusedError: It is no JSON, or a field is unknown, absent or out of its range.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        found = _FIELD.search(str(error))
        param = (found[1] or found[2]) if found else None
        raise RefusedError(400, str(error), param=param) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise RefusedError(400, f"the body is no JSON: {error}") from error


def as_json(value: Any) -> bytes:
    """Return a value as JSON."""
    return msgspec.json.encode(value)
