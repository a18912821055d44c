"""The text commands: words and standard input in, answers out, in text and JSON."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import pytest

from pipeline.cli.app import run
from pipeline.tasks.classify import Classified, Label
from pipeline.tasks.embed import Embedded
from pipeline.tasks.encode import Answers
from pipeline.tasks.fill_mask import Filled, Word
from pipeline.tasks.rerank import Ranked


@dataclass(frozen=True)
class Generation:
    """What generating returns, as far as a command looks at it."""

    texts: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...] = ((1, 2, 3),)
    variant: str = "optimize.ort-cpu-fp32"
    first_token_s: float = 0.5
    seconds: float = 1.5
    tokens_per_s: float = 2.0
    notes: tuple[str, ...] = ("one word was guessed",)
    streamed: bool = False

    def json(self):
        return {"texts": list(self.texts)}


@pytest.fixture
def stage(monkeypatch):
    """Replace a function by one that remembers its options and gives a fixed answer."""

    def replace(function, answer):
        got = []

        def call(options, progress, stream=None):
            got.append(options)
            if stream is not None:
                stream("streamed")
            return answer

        monkeypatch.setattr(function, call)
        return got

    return replace


def test_translate(stage, capsys):
    got = stage("pipeline.tasks.translate.translate_texts", Generation(("yes", "no")))
    words = ["translate", "out", "是", "不", "--runner", "torch", "--max-new-tokens", "9"]
    assert run(words) == 0
    shown = capsys.readouterr()
    assert shown.out == "yes\nno\n"
    assert "warning: one word was guessed" in shown.err
    assert "3 tokens in 1.50 s, first after 500 ms, 2.0 tokens/s" in shown.err
    options = got[0]
    assert (options.texts, options.runner, options.max_new_tokens) == (("是", "不"), "torch", 9)


def test_lines_of_standard_input_are_texts(stage, monkeypatch):
    got = stage("pipeline.tasks.translate.translate_texts", Generation(("a", "b")))
    monkeypatch.setattr("sys.stdin", io.StringIO("one\n\n two \n"))
    assert run(["translate", "out", "-"]) == 0
    assert got[0].texts == ("one", "two")


def test_a_single_prompt_is_streamed(stage, capsys):
    made = Generation(("streamed",), streamed=True)
    stage("pipeline.tasks.text.generate_texts", made)
    assert run(["generate", "out", "Once"]) == 0
    assert capsys.readouterr().out == "streamed\n"


def test_what_was_not_streamed_is_shown_at_the_end(stage, capsys, monkeypatch):
    monkeypatch.setattr("pipeline.cli.console.Console.stream", lambda self, text: None)
    stage("pipeline.tasks.text.generate_texts", Generation(("x", "y")))
    assert run(["generate", "out", "a", "b"]) == 0
    assert capsys.readouterr().out == "x\ny\n"


def test_json_has_no_stream(stage, capsys):
    stage("pipeline.tasks.text.generate_texts", Generation(("x",)))
    assert run(["generate", "out", "a", "--json"]) == 0
    assert "streamed" not in capsys.readouterr().out


def test_stop_strings_keep_their_commas(stage):
    got = stage("pipeline.tasks.text.generate_texts", Generation(("x",)))
    assert run(["generate", "out", "a", "--stop", "a,b", "--stop", ";"]) == 0
    assert got[0].stop == ("a,b", ";")


CLASSES = [
    {"label": "good", "probability": 0.9, "logit": 2.0},
    {"label": "bad", "probability": 0.1, "logit": -0.5},
]
WORDS = [[{"word": " cat", "probability": 0.5}]]
ANSWERS = {
    "classify": (
        "classify.classify_texts",
        Classified("t", tuple(Label(**item) for item in CLASSES)),
        "t: good 90.0 %, bad 10.0 %",
        {"text": "t", "classes": CLASSES, "pair": None},
    ),
    "fill-mask": (
        "fill_mask.fill_masks",
        Filled("a [M]", ((Word(" cat", 0.5),),)),
        "a [M]\n  cat 50.0 %",
        {"text": "a [M]", "masks": WORDS},
    ),
    "rerank": (
        "rerank.rerank_texts",
        Ranked(1, "t", 0.75, 1.1),
        "0.7500  [1] t",
        {"index": 1, "text": "t", "score": 0.75, "logit": 1.1},
    ),
}


@pytest.mark.parametrize(
    ("command", "function", "row", "shown", "plain"),
    [(k, *v) for k, v in ANSWERS.items()],
    ids=ANSWERS,
)
def test_encoders_answer(stage, capsys, command, function, row, shown, plain):
    stage(f"pipeline.tasks.{function}", Answers((row,), "v"))
    words = ["q", "t"] if command == "rerank" else ["t"]
    assert run([command, "out", *words]) == 0
    assert capsys.readouterr().out == shown + "\n"
    assert run([command, "out", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"variant": "v", "answers": [plain], "notes": []}


def test_embed_shows_how_alike_texts_are(stage, capsys):
    rows = (Embedded("a", (1.0, 0.0)), Embedded("b", (0.6, 0.8)))
    stage("pipeline.tasks.embed.embed_texts", Answers(rows, "v"))
    assert run(["embed", "out", "a", "b"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "cosine 0.600: a | b"


def test_an_empty_text_is_refused(capsys):
    assert run(["translate", "out", " "]) == 2
    assert "no text was given" in capsys.readouterr().err
