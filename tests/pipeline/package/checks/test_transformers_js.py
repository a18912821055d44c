"""The check of a package for transformers.js: what node is told, what it says, how it is judged."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest

from pipeline.package.cases import HOME
from pipeline.package.checks import common
from pipeline.package.checks.transformers_js import check, thrown, write_questions

LIMITS = {"rms": 1e-6, "quantile": 1e-6, "max": 1e-6}
LIBRARY = """
class Tensor { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } }
const env = {};
const seen = (name) => { if (env.allowRemoteModels !== false) throw Error('remote ' + name); };
const AutoTokenizer = { from_pretrained: async (name) => {
  seen(name); return { encode: (text) => [text.length] }; } };
const model = async ({ x }) => ({
  logits: new Tensor('float32', x.data.map((n) => 2 * n), x.dims), past_key_values: {} });
model.config = { id2label: { 0: 'cat', 1: 'dog' } };
model.generation_config = { eos_token_id: [2] };
model.generate = async ({ inputs, max_new_tokens }) => {
  const ids = Array.from(inputs.data);
  for (let n = 0; n < max_new_tokens; n++) ids.push(ids.at(-1) + 1n);
  return new Tensor('int64', BigInt64Array.from(ids), [1, ids.length]); };
module.exports = { Tensor, env, AutoTokenizer,
  AutoModel: { from_pretrained: async (name) => { seen(name); return model; } } };
"""


@pytest.fixture
def asked(tmp_path, monkeypatch):
    if shutil.which("node") is None:
        pytest.skip("node is not installed here")
    home = tmp_path / "package" / "check"
    home.mkdir(parents=True)
    shutil.copyfile(HOME / "package" / "checks" / "ask.mjs", home / "ask.mjs")
    library = tmp_path / "js" / "node_modules" / "@huggingface" / "transformers"
    library.mkdir(parents=True)
    (library / "index.js").write_text(LIBRARY)
    monkeypatch.setattr(sys, "argv", ["check.py", str(tmp_path / "js")])
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.savez(home / "i.npz", x=x)
    np.savez(home / "o.npz", logits=2 * x, other=x)
    case = {"inputs": "i.npz", "outputs": "o.npz", "limits": {"logits": LIMITS, "other": LIMITS}}
    return {
        "class": "AutoModel", "home": home, "package": home.parent, "ends": [2], "new_tokens": 2,
        "texts": [["abc", [3]]], "labels": ["cat", "dog"], "outputs": [case],
        "tokens": [{"prompt": [7, 4], "new": [5, 6], "margins": [1, 1]}],
    }  # fmt: skip


def rights(found):
    return [one["right"] for one in found]


def test_what_node_answers_is_judged(asked):
    found = check(asked)
    assert rights(found) == [True] * 5
    assert [one["what"].split()[0] for one in found] == [
        "ids", "labels", "end", "continuation", "case"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (0, {"texts": [["abc", [4]]]}),
        (1, {"labels": ["dog", "cat"]}),
        (2, {"ends": [3]}),
        (3, {"tokens": [{"prompt": [7, 4], "new": [5, 7], "margins": [1, 1]}]}),
    ],
)
def test_each_wrong_answer_is_found(asked, place, wrong):
    assert [n for n, right in enumerate(rights(check({**asked, **wrong}))) if not right] == [place]


def test_arrays_are_compared(asked):
    x = np.load(asked["home"] / "i.npz")["x"]
    np.savez(asked["home"] / "o.npz", logits=2 * x + 1e-5)
    assert rights(check(asked))[-1] is False
    np.savez(asked["home"] / "o.npz", other=x)
    assert check(asked)[-1]["says"] == "none of other came back"


def test_a_library_that_is_not_there_checks_nothing(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["check.py", str(tmp_path)])
    with pytest.raises(common.NotCheckedError, match="not installed"):
        check(asked)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(common.NotCheckedError, match="node is not installed"):
        check(asked)


def test_what_node_fails_with_is_told(asked):
    with pytest.raises(RuntimeError, match="TypeError"):
        check({**asked, "class": "NoSuchModel"})


def test_of_all_that_node_says_its_error_is_told():
    said = "file:1\n  throw new NoFileError(\n  ^\n\nNoFileError [AnyError]: not there\n    at x\n"
    assert thrown(said) == "NoFileError [AnyError]: not there"
    assert thrown("throw new NoFileError(") == ""


def test_questions_hold_no_more_than_they_need(asked, tmp_path):
    write_questions({k: v for k, v in asked.items() if k not in ("texts", "tokens")}, tmp_path)
    told = json.loads((tmp_path / "questions.json").read_text())
    assert (told["texts"], told["prompts"]) == ([], [])
    ((name, array),) = told["cases"][0].items()
    assert (name, array["type"], array["dims"]) == ("x", "float32", [2, 3])
