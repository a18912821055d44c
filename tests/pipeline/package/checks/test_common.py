"""What a check finds in a runtime's answers."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from pipeline.package.checks import common

LIMITS = {"rms": 0.1, "quantile": 0.2, "max": 0.2}


def rights(found):
    return [one["right"] for one in found]


def test_continuations_are_compared_up_to_an_end_mark():
    asked = {
        "ends": [2], "new_tokens": 5,
        "tokens": [{"prompt": [1], "new": [5, 6], "margins": [1, 1, 1]},
                   {"prompt": [3], "new": [5, 6, 7, 8, 9], "margins": [1] * 5},
                   {"prompt": [4], "new": [5, 6, 7, 8, 9], "margins": [1, 1e-5, 1, 1, 1]}],
    }  # fmt: skip
    answers = {1: [5, 6, 2, 9], 3: [5, 6, 7, 8, 9], 4: [5, 7, 7, 8, 9]}
    assert rights(common.tokens_found(asked, lambda ids, new: answers[ids[0]])) == [True] * 3
    worse = {1: [5, 6, 7, 9], 3: [5, 6, 7, 8], 4: [6]}
    found = common.tokens_found(asked, lambda ids, new: worse[ids[0]])
    assert rights(found) == [False] * 3
    assert found[0]["says"] == "token 2: [7] instead of []"


@pytest.mark.parametrize(
    ("told", "right"), [(2, False), ([7, 2], True), (None, False), ([2], False)]
)
def test_end_marks_are_compared_as_a_set(told, right):
    assert rights(common.ends_found({"ends": [2, 7]}, told)) == [right]
    assert rights(common.ends_found({"ends": []}, None)) == [True]


def test_ids_of_texts():
    asked = {"texts": [["ab", [1, 2]], ["b", [2]]]}
    assert rights(common.ids_found(asked, lambda text: [1, 2])) == [True, False]
    assert common.ids_found({}, lambda text: []) == []


def test_arrays_stay_within_their_limits():
    wanted = np.ones((2, 3), np.float32)
    assert common.within("x", wanted + 0.05, wanted, LIMITS)["right"]
    assert not common.within("x", wanted + 0.15, wanted, LIMITS)["right"]  # rms
    assert not common.within("x", wanted * np.nan, wanted, LIMITS)["right"]
    short = common.within("x", wanted[:, :2], wanted, LIMITS)
    assert (short["right"], short["says"]) == (False, "shape [2, 2] instead of [2, 3]")


def fail():
    raise common.NotCheckedError("no runtime")


@pytest.mark.parametrize(
    ("check", "code", "right"),
    [
        (lambda asked: [common.finding("a", asked["n"] == 3)], 0, [True]),
        (lambda asked: [common.finding("a", False)], 1, [False]),
        (lambda asked: fail(), 3, []),
        (lambda asked: 1 / 0, 1, [False]),
    ],
)
def test_a_check_ends_in_a_line_and_a_code(tmp_path, capsys, check, code, right):
    (tmp_path / "check.json").write_text('{"n": 3}')
    with pytest.raises(SystemExit) as ended:
        common.main(check, str(tmp_path / "check.py"))
    assert ended.value.code == code
    told = json.loads(capsys.readouterr().out)
    assert rights(told["findings"]) == right + [True] * (code != 3)  # and the files
    assert told.get("reason") == ("no runtime" if code == 3 else None)


def test_files_have_the_bytes_that_were_written(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    digest = hashlib.sha256(b"one").hexdigest()
    asked = {"package": tmp_path, "files": {"a": digest}}
    assert common.files_found(asked)["right"]
    (tmp_path / "a").write_bytes(b"two")
    assert common.files_found(asked)["says"] == "a has other bytes"
    (tmp_path / "a").unlink()
    found = common.files_found(asked)
    assert (found["right"], found["says"]) == (False, "a is missing")


def test_cases_are_read_from_beside_the_script(tmp_path):
    np.savez(tmp_path / "i.npz", ids=np.array([1]))
    np.savez(tmp_path / "o.npz", y=np.array([2.0]))
    case = {"inputs": "i.npz", "outputs": "o.npz", "limits": {"y": LIMITS}}
    ((number, inputs, outputs, limits),) = common.cases({"home": tmp_path, "outputs": [case]})
    assert (number, inputs["ids"][0], outputs["y"][0], limits["y"]) == (0, 1, 2.0, LIMITS)
