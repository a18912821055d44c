"""The check of a package for onnxruntime-genai, against a stand-in of that library."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from pipeline.package.checks import common
from pipeline.package.checks.genai import check


class Generator:
    """Counts on from the last id."""

    def __init__(self, model, options):
        self.most, self.ids = options.most, []

    def append_tokens(self, ids):
        self.ids = list(ids[0])

    def is_done(self):
        return len(self.ids) >= self.most

    def generate_next_token(self):
        self.ids.append(self.ids[-1] + 1)

    def get_sequence(self, number):
        return self.ids


class Params:
    def __init__(self, model):
        self.most = 0

    def set_search_options(self, max_length, do_sample, repetition_penalty):
        assert (do_sample, repetition_penalty) == (False, 1.0)
        self.most = max_length


def library():
    tokenizer = SimpleNamespace(encode=lambda text: [len(text)])
    return SimpleNamespace(
        Model=lambda path: path, Tokenizer=lambda model: tokenizer, GeneratorParams=Params,
        Generator=Generator,
    )  # fmt: skip


@pytest.mark.parametrize(("end", "right"), [(2, True), (3, False)])
def test_ids_end_marks_and_continuations_are_asked(tmp_path, monkeypatch, end, right):
    monkeypatch.setitem(sys.modules, "onnxruntime_genai", library())
    (tmp_path / "genai_config.json").write_text(json.dumps({"model": {"eos_token_id": end}}))
    asked = {
        "package": tmp_path, "ends": [2], "new_tokens": 3, "texts": [["abc", [3]]],
        "tokens": [{"prompt": [7], "new": [8, 9, 10], "margins": [1, 1, 1]}],
    }  # fmt: skip
    found = check(asked)
    assert [one["right"] for one in found] == [True, right, True]


def test_without_the_library_nothing_is_checked(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime_genai", None)
    with pytest.raises(common.NotCheckedError):
        check({})
