"""Chat templates: jinja2 in a sandbox, with what transformers gives them.

A template comes with a model, so it is somebody else's program. It sees plain data, cannot change
it, and reaches nothing of Python's insides.

**Source**: transformers' documentation, "Writing a chat template".
"""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Mapping
from typing import Any, NoReturn

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox
import jinja2.utils

from pipeline.errors import BadModelError, UsageError, first_line
from pipeline.tokenizer.base import Conversation, messages_of


def render_chat(template: str | None, conversation: Conversation, names: Mapping[str, str]) -> str:
    """Return a conversation in a chat template, up to where the answer begins.

    Args:
        template: None where the tokenizer has none.
        conversation: What the user says, or messages with `role` and `content`.
        names: Special tokens by the names that templates know them by, such as `bos_token`.

    Raises:
        UsageError: There is no template.
        BadModelError: It cannot be read, or refuses the message.
    """
    if template is None:
        raise UsageError("the tokenizer has no chat template", fix="leave --chat out")
    messages = messages_of(conversation)
    try:
        return _compiled(template).render(
            messages=messages, tools=None, documents=None, add_generation_prompt=True, **names
        )
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as err:
        raise template_failed(err) from err


def template_failed(err: Exception) -> BadModelError:
    """Return the error of a chat template that cannot be filled in."""
    return BadModelError(f"the chat template fails: {first_line(err)}", fix="leave --chat out")


class _Generation(jinja2.ext.Extension):
    """`{% generation %}`: marks what an assistant said, which here is only text."""

    tags = {"generation"}  # noqa: RUF012 - jinja2's own declaration

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        """Return what stands between the marks; names set there are not known outside."""
        line = next(parser.stream).lineno
        inside = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return [jinja2.nodes.Scope(inside, lineno=line)]


class _Namespace(jinja2.utils.Namespace):
    """jinja2's namespace without names that lead into Python's insides."""

    def __init__(*args: Any, **values: Any) -> None:  # so that a value may be called self
        self, *given = args
        for name in dict(*given, **values):
            _refuse_private(name)
        jinja2.utils.Namespace.__init__(self, *given, **values)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_private(name)
        super().__setitem__(name, value)


class _Dict:
    """`dict(...)` and `dict.fromkeys(...)`, but not the type with all that hangs on it."""

    def __call__(self, *args: Any, **values: Any) -> dict[Any, Any]:
        return dict(*args, **values)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        """Return a dictionary with these keys."""
        return dict.fromkeys(*args)


@functools.lru_cache(maxsize=4)
def _compiled(template: str) -> jinja2.Template:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {
        "raise_exception": _raise,
        "strftime_now": lambda form: datetime.datetime.now().strftime(form),
        "dict": _Dict(),
        "namespace": _Namespace,
    }
    return environment.from_string(template)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Return plain JSON; jinja2's own filter writes <, > and & as escapes for HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _refuse_private(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"a template may not set {name!r}")
