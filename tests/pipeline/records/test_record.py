"""Records are read as what they are or not at all: every key, every type, every format."""

import dataclasses
import json
import math
import typing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar, NamedTuple

import pytest

from pipeline.errors import FolderError
from pipeline.records.record import Finite, Place, Record, as_json, read
from tests.pipeline.records.judged import JUDGED
from tests.pipeline.records.made import SAMPLES
from tests.pipeline.records.told import TOLD

BY_NAME = [pytest.param(record, id=name) for name, record in (SAMPLES | JUDGED | TOLD).items()]
WRONG = {"no": "such value"}


class Ends(NamedTuple):
    low: int
    high: int


@dataclass(frozen=True, kw_only=True)
class Inner:
    share: Finite
    file: Place = "a/b.onnx"


@dataclass(frozen=True, kw_only=True)
class Outer(Record):
    FORMAT: ClassVar[int] = 3
    COMMAND: ClassVar[str] = "perf"
    EMPTY: ClassVar[frozenset[str]] = frozenset({"inner"})

    name: str
    inner: Inner | None
    ends: tuple[Ends, ...] = ()


OUTER = {"format": 3, "name": "a", "inner": {"share": 0.5}}


def copy(raw):
    return json.loads(json.dumps(raw))


def test_the_json_form_is_what_was_told():
    record = Outer(name="a", inner=Inner(share=0.5), ends=(Ends(1, 2),))
    assert record.to_json() == {**OUTER, "ends": [[1, 2]]}
    assert Outer.from_json(record.to_json()) == record


def test_a_default_is_left_out_and_read_again():
    assert Outer(name="a", inner=Inner(share=0.5)).to_json() == OUTER
    assert Outer.from_json({**OUTER, "ends": []}).to_json() == OUTER


def test_none_may_be_written_as_an_empty_object():
    told = Outer(name="a", inner=None).to_json()
    assert told["inner"] == {}
    assert Outer.from_json(told).inner is None


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf], ids=str)
def test_what_is_not_finite_is_neither_written_nor_read(number):
    with pytest.raises(ValueError, match="no JSON form"):
        Outer(name="a", inner=Inner(share=number)).to_json()
    with pytest.raises(FolderError, match=r"float.*inner\.share"):
        Outer.from_json({**OUTER, "inner": {"share": number}})


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", Path("a")], ids=lambda v: type(v))
def test_what_has_no_json_form_is_refused(value):
    with pytest.raises(ValueError, match="no JSON form"):
        as_json({"value": value})


@pytest.mark.parametrize("value", ["0.5", True, None, [0.5]], ids=str)
def test_nothing_is_taken_for_a_number_but_a_number(value):
    with pytest.raises(FolderError, match=r"Expected `float`.*inner\.share"):
        Outer.from_json({**OUTER, "inner": {"share": value}})


def test_a_whole_number_is_a_number():
    assert Outer.from_json({**OUTER, "inner": {"share": 1}}).inner == Inner(share=1.0)


@pytest.mark.parametrize("place", ["/etc/passwd", "../x", "a/../../x", "..", "a\\b", ""], ids=repr)
def test_a_place_lies_inside_the_folder(place):
    with pytest.raises(FolderError, match=r"inner\.file"):
        Outer.from_json({**OUTER, "inner": {"share": 0.5, "file": place}})


def test_dots_inside_a_name_are_no_way_out():
    assert read(Inner, {"share": 0, "file": "a/b..c/.d"}).file == "a/b..c/.d"


def test_an_unknown_key_is_not_passed_over():
    with pytest.raises(FolderError, match=r"unknown field - at `\$\.inner\.shares`"):
        Outer.from_json({**OUTER, "inner": {"share": 0.5, "shares": 2}})
    with pytest.raises(FolderError, match=r"unknown field - at `\$\.extra`"):
        Outer.from_json({**OUTER, "extra": None})


@pytest.mark.parametrize(
    ("number", "fix"),
    [(2, "make it again with `pipeline perf`"), (None, "make it"), (4, "upgrade, or make it again"),
     (True, "make it"), ("3", "make it")],
    ids=["older", "none", "newer", "bool", "text"],
)  # fmt: skip
def test_another_format_is_refused_with_what_to_do(number, fix):
    with pytest.raises(FolderError, match=r"has format .*, this version reads 3") as caught:
        Outer.from_json({**OUTER, "format": number}, "out, perf")
    assert caught.value.fix.startswith(fix)
    assert caught.value.where == "out, perf"
    assert caught.value.exit_code == 2


def test_facts_without_a_format_are_older():
    told = {name: value for name, value in OUTER.items() if name != "format"}
    with pytest.raises(FolderError, match="has format 0"):
        Outer.from_json(told)


@pytest.mark.parametrize("raw", [None, [], "text", 3], ids=repr)
def test_what_is_no_object_is_refused(raw):
    with pytest.raises(FolderError, match="has format 0"):
        Outer.from_json(raw)


@pytest.mark.parametrize("text", ["", "{", None], ids=["empty", "torn", "none"])
def test_a_file_that_holds_no_record_is_named(text, tmp_path):
    path = tmp_path / "a.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(FolderError, match="record is damaged") as caught:
        Outer.read_file(path)
    assert caught.value.where == str(path)
    assert caught.value.exit_code == 2


def test_a_file_is_read_as_what_it_holds(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(OUTER))
    assert Outer.read_file(tmp_path / "a.json") == Outer(name="a", inner=Inner(share=0.5))


def test_of_names_the_artifact_in_its_error():
    made = SimpleNamespace(folder=Path("out"), stage="perf", facts={"format": 3, "name": 5})
    with pytest.raises(FolderError, match=r"damaged: .*`\$\.name`|missing") as caught:
        Outer.of(made)
    assert caught.value.where == "out, perf"
    assert "pipeline run" in caught.value.fix


@pytest.mark.parametrize("record", BY_NAME)
def test_a_record_survives_its_json_form(record):
    told = copy(record.to_json())
    assert type(record).from_json(told) == record
    assert next(iter(told)) == "format"


@pytest.mark.parametrize("record", BY_NAME)
def test_another_version_of_each_record_is_refused(record):
    told = copy(record.to_json())
    for number in (record.FORMAT - 1, record.FORMAT + 1):
        with pytest.raises(FolderError, match=f"has format {number}"):
            type(record).from_json({**told, "format": number})


@pytest.mark.parametrize("record", BY_NAME)
def test_a_missing_key_is_refused_wherever_it_is_missing(record):
    dropped = list(_required(record, ()))
    assert len(dropped) > 3
    for path in dropped:
        told = copy(record.to_json())
        del _at(told, path[:-1])[path[-1]]
        with pytest.raises(FolderError, match=f"missing required field `{path[-1]}`"):
            type(record).from_json(told)


@pytest.mark.parametrize("record", BY_NAME)
def test_a_wrong_type_is_refused_wherever_it_stands(record):
    for path in _leaves(copy(record.to_json()), ()):
        if "facts" in path:  # of a stage: told in a report as they are, and read by their record
            continue
        told = copy(record.to_json())
        kept = _at(told, path)
        for wrong in (WRONG, [WRONG], *(_in_words(kept) if path[-2:-1] != ("shape",) else ())):
            _at(told, path[:-1])[path[-1]] = wrong
            with pytest.raises(FolderError, match=r"has format|is damaged"):
                type(record).from_json(told)


def _in_words(value):
    """Return what looks like the value and is of another type."""
    if isinstance(value, bool):
        return (str(value).lower(), int(value))
    if isinstance(value, int):
        return (str(value), bool(value), value + 0.5)
    return (str(value), math.nan, math.inf) if isinstance(value, float) else ()


def _required(value, path):
    """Yield the path of every key that must be there."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            given = field.default is dataclasses.MISSING
            if given and field.default_factory is dataclasses.MISSING:
                yield (*path, field.name)
            yield from _required(getattr(value, field.name), (*path, field.name))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _required(item, (*path, name))
    elif isinstance(value, (tuple, list)):
        for place, item in enumerate(value):
            yield from _required(item, (*path, place))


def _leaves(raw, path):
    if isinstance(raw, dict):
        for name, item in raw.items():
            yield from _leaves(item, (*path, name))
    elif isinstance(raw, list):
        for place, item in enumerate(raw):
            yield from _leaves(item, (*path, place))
    else:
        yield path


def _at(raw, path):
    for name in path:
        raw = raw[name]
    return raw


def _types_in(cls, seen):
    """Yield the annotation of every field reachable from a record."""
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        if typing.get_origin(hint) is not ClassVar:
            yield f"{cls.__name__}.{name}", hint
            yield from _inside(hint, seen)


def _inside(hint, seen):
    for inner in (hint, *typing.get_args(hint)):
        if dataclasses.is_dataclass(inner) and inner not in seen:
            seen.add(inner)
            yield from _types_in(inner, seen)
        elif inner is not hint:
            yield from _inside(inner, seen)


def _has_bare_float(hint):
    if typing.get_origin(hint) is typing.Annotated:
        return False
    return hint is float or any(_has_bare_float(inner) for inner in typing.get_args(hint))


@pytest.mark.parametrize("record", BY_NAME)
def test_no_field_lets_nan_or_anything_at_all_through(record):
    found = dict(_types_in(type(record), set()))
    assert [name for name, hint in found.items() if _has_bare_float(hint)] == []
    assert [name for name, hint in found.items() if "Any" in str(hint)] == []
