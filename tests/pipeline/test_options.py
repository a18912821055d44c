"""Options hold what they declare, whatever near it a caller gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.options import plain, settle


@dataclass(frozen=True)
class Sample:
    """One field of each kind."""

    path: Path = Path("a")
    maybe: Path | None = None
    paths: tuple[Path, ...] = ()
    name: str = ""
    kind: Literal["one", "two"] = "one"
    count: int = 0
    share: float = 0.0
    deep: bool = False
    sizes: Mapping[str, int | tuple[int, int]] = field(default_factory=dict)
    gates: Mapping[str, int | Literal["all"]] = field(default_factory=dict)
    shapes: tuple[Mapping[str, tuple[int, ...]], ...] = ()

    def __post_init__(self):
        settle(self)


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ({"path": "b"}, Path("b")),
        ({"maybe": "b"}, Path("b")),
        ({"maybe": None}, None),
        ({"paths": ["b", Path("c")]}, (Path("b"), Path("c"))),
        ({"paths": "b"}, (Path("b"),)),
        ({"name": Path("b")}, "b"),
        ({"count": np.int64(3)}, 3),
        ({"share": 1}, 1.0),
        ({"sizes": {"batch": [1, 8], "seq": 4}}, {"batch": (1, 8), "seq": 4}),
        ({"gates": {"norm": "all", "attention": 12}}, {"norm": "all", "attention": 12}),
        ({"shapes": {"x": [1, 2]}}, ({"x": (1, 2)},)),
    ],
    ids=str,
)
def test_a_value_near_the_type_becomes_it(given, held):
    ((name, _),) = given.items()
    made = getattr(Sample(**given), name)
    assert made == held
    assert type(made) is type(held)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"path": 3}, "path: 3 is no path"),
        ({"count": "3"}, "count: '3' is no whole number"),
        ({"count": 2.5}, "count: 2.5 is no whole number"),
        ({"count": True}, "count: True is no whole number"),
        ({"share": "1"}, "share: '1' is no number"),
        ({"deep": "yes"}, "deep: 'yes' is no truth value"),
        ({"kind": "tow"}, "did you mean two"),
        ({"kind": "x"}, "choose one of one, two"),
        ({"sizes": "batch=4"}, "sizes: 'batch=4' is no mapping"),
        ({"sizes": {"batch": (1, 2, 3)}}, r"\(1, 2, 3\) is not 2 values"),
        ({"gates": {"norm": "most"}}, "gates: 'most' does not exist"),
        ({"shapes": ("x:1",)}, "shapes: 'x:1' is no mapping"),
    ],
    ids=str,
)
def test_anything_else_is_told_by_the_fields_name(given, says):
    with pytest.raises(UsageError, match=says) as caught:
        Sample(**given)
    ((name, _),) = given.items()
    assert caught.value.where == f"--{name}"


def test_a_mapping_is_not_shared_with_the_caller():
    sizes = {"batch": 4}
    made = Sample(sizes=sizes)
    sizes["batch"] = 5
    assert made.sizes == {"batch": 4}


def test_the_plain_form_is_what_json_gives_back():
    made = Sample(paths=("b",), sizes={"batch": (1, 8)}, shapes=({"x": (1,)},))
    assert plain(made, without=("path", "maybe")) == {
        "paths": ["b"], "name": "", "kind": "one", "count": 0, "share": 0.0, "deep": False,
        "sizes": {"batch": [1, 8]}, "gates": {}, "shapes": [{"x": [1]}],
    }  # fmt: skip
    assert plain(made).keys() == {item.name for item in fields(made)}
