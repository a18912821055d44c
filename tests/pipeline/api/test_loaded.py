"""A loaded model: opened once, asked many times, and clear about what it cannot do."""

from __future__ import annotations

import numpy as np
import pytest

import pipeline
from pipeline import GenerateOptions
from pipeline.api import loaded
from pipeline.errors import FolderError, UsageError
from tests.pipeline.tasks.folders import FOLDERS, classifier, folder_for, write_folder

METHODS = {
    "generate": {"generate", "stream"},
    "translate": {"generate", "stream", "translate"},
    "embed": {"embed"},
    "classify": {"classify", "rerank"},
    "fill-mask": {"embed", "fill_mask"},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("loaded")
    return {name: folder_for(name, root) for name in (*METHODS, "zh-en")}


@pytest.fixture
def model(folders):
    """Open a folder by name; close what was opened."""
    opened = []

    def open_it(name, **options):
        opened.append(pipeline.load(folders[name], **options))
        return opened[-1]

    yield open_it
    for one in opened:
        one.close()


def test_generating_answers_as_the_command_does(model, folders):
    made = model("generate").generate(["Once", "Once upon"], max_new_tokens=6, seed=1)
    options = GenerateOptions(folders["generate"], ("Once", "Once upon"), max_new_tokens=6, seed=1)
    expected = pipeline.generate_texts(options)
    assert (made.texts, made.tokens) == (expected.texts, expected.tokens)
    assert model("generate").generate("Once", max_new_tokens=6).texts == expected.texts[:1]


def test_a_stream_is_the_answer_in_pieces(model):
    opened = model("generate")
    pieces = list(opened.stream("Once", max_new_tokens=12))
    assert len(pieces) > 2
    assert all(pieces)
    assert "".join(pieces) == opened.generate("Once", max_new_tokens=12).texts[0]


def test_a_stream_is_refused_when_it_is_asked_for(model):
    with pytest.raises(UsageError, match="2 beams cannot be streamed"):
        model("generate").stream("Once", num_beams=2)
    with pytest.raises(UsageError, match="it cannot stream"):
        model("embed").stream("Once")


def test_translating_names_the_words_it_does_not_know(model, folders):
    made = model("zh-en").translate("我今天很\N{SNOWMAN}", max_new_tokens=4)
    options = GenerateOptions(folders["zh-en"], ("我今天很\N{SNOWMAN}",), max_new_tokens=4)
    assert made.texts == pipeline.translate_texts(options).texts
    assert "not in the vocabulary" in made.notes[0]


def test_vectors_are_an_array(model, folders):
    made = model("embed").embed(["one", "two three"])
    rows = pipeline.embed_texts(pipeline.EmbedOptions(folders["embed"], ("one", "two three"))).rows
    np.testing.assert_array_equal(made, [row.vector for row in rows])
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1)


def test_classes_and_words_are_typed(model):
    (row,) = model("classify").classify("one")
    assert row.text == "one"
    chances = [item.probability for item in row.classes]
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) == pytest.approx(1)
    (row,) = model("fill-mask").fill_mask("one [MASK]")
    ((word, *_),) = row.masks
    assert word.word
    assert 0 < word.probability <= 1


@pytest.mark.parametrize("name", METHODS)
def test_it_answers_what_its_task_allows(model, name):
    opened = model(name)
    assert {*opened.answers} == {*METHODS[name], "run"}
    for method in {*loaded._ANSWERS} - METHODS[name]:
        with pytest.raises(UsageError, match=rf"does {opened.task}: it cannot {method}") as caught:
            getattr(opened, method)(*(("text", ["a"]) if method == "rerank" else ("text",)))
        assert caught.value.fix == f"it answers {', '.join(opened.answers)}"


def test_every_method_is_among_the_answers():
    public = {name for name in vars(pipeline.LoadedModel) if not name.startswith("_")}
    assert public == {*loaded._ANSWERS, "run", "answers", "close"}


def test_arrays_go_through_one_graph(model):
    opened = model("translate")
    ids = np.array([[5, 6, 2]])
    made = opened.run({"input_ids": ids, "attention_mask": np.ones_like(ids)}, part="encoder")
    wanted = [spec.name for spec in opened.record.parts["encoder"].outputs]
    assert list(made) == wanted
    assert made["last_hidden_state"].shape == (1, 3, 4)


@pytest.mark.parametrize(
    ("inputs", "part", "says"),
    [
        ({}, "model", "no part 'model'"),
        ({}, "encoder", "the inputs given are none"),
        ({"input_ids": 1, "attention_mask": 1, "more": 1}, "encoder", "are input_ids, .*, more"),
    ],
)
def test_arrays_that_do_not_fit_are_named(model, inputs, part, says):
    with pytest.raises(UsageError, match=says) as caught:
        model("translate").run(inputs, part=part)
    assert caught.value.fix


def test_opening_happens_once(model, monkeypatch):
    opened = model("classify")
    monkeypatch.setattr("pipeline.tasks.source.open_runner", None)
    assert opened.classify("one") == opened.classify(["one"])


def test_a_closed_model_says_so(folders):
    with pipeline.load(folders["classify"]) as opened:
        assert opened.classify("one")
    with pytest.raises(UsageError, match="was closed"):
        opened.classify("one")


def test_it_says_what_it_is(model, folders):
    opened = model("classify")
    folder = str(folders["classify"])
    assert repr(opened) == f"<LoadedModel {folder!r}: text-classification, export>"
    assert (opened.folder, opened.runner) == (folders["classify"], "ort")
    assert opened.record.task == opened.task


def test_a_model_without_a_tokenizer_takes_arrays_alone(tmp_path):
    folder = write_folder(tmp_path / "bare", "text-classification", classifier())
    with pipeline.load(folder) as opened:
        ids = np.array([[1, 2]])
        assert opened.run({"input_ids": ids, "attention_mask": ids})["logits"].shape == (1, 4)
        with pytest.raises(UsageError, match="no tokenizer"):
            opened.classify("one")


def test_a_variant_can_be_named(model):
    assert model("classify", variant="exported").variant == "export"
    with pytest.raises(UsageError, match="no variant 'ort-cpu-fp16'") as caught:
        model("classify", variant="ort-cpu-fp16")
    assert caught.value.fix == "there are exported"
    with pytest.raises(UsageError, match="torch runs the model itself"):
        model("classify", runner="torch", variant="exported")


def test_a_runner_with_nothing_to_run(model):
    with pytest.raises(FolderError, match="nothing here runs on tensorrt"):
        model("classify", runner="tensorrt")


def test_the_folders_cover_every_task():
    assert {FOLDERS[name][0] for name in METHODS} == {
        task for tasks in loaded._ANSWERS.values() for task in tasks
    } - {"text2text-generation"}
