"""A folder is opened once and asked many times; what does not fit is said before anything loads."""

import threading

import pytest

from pipeline.errors import FolderError, UsageError
from pipeline.stages.runners.ort_runner import OrtRunner
from pipeline.tasks import source as module
from pipeline.tasks.options import GenerateOptions, TextOptions
from pipeline.tasks.source import TextSource
from pipeline.tasks.text import generate
from pipeline.tokenizer.fast import FastTokenizer
from tests.pipeline.tasks.folders import folder_for, language_model, write_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return folder_for("generate", tmp_path_factory.mktemp("source"))


def test_graphs_and_tokenizer_are_opened_once(folder, monkeypatch):
    opened = []
    monkeypatch.setattr(
        module, "open_runner", lambda file, **told: opened.append(file) or OrtRunner(file)
    )
    with TextSource(folder) as source:
        answers = {
            generate(source, GenerateOptions(folder, ("The cat",), max_new_tokens=5)).texts
            for _ in range(3)
        }
        assert source.tokenizer is source.tokenizer
        assert isinstance(source.tokenizer, FastTokenizer)
    assert len(opened) == len(answers) == 1


def test_threads_share_it(folder):
    texts = ("The cat", "Once upon", "a", "def add")
    with TextSource(folder) as source:

        def say(text, seed):
            asked = GenerateOptions(folder, (text,), max_new_tokens=30, temperature=1.0, seed=seed)
            return generate(source, asked).tokens

        wanted = {(text, seed): say(text, seed) for seed, text in enumerate(texts)}
        found = {}
        threads = [
            threading.Thread(target=lambda k=key: found.update({k: say(*k)})) for key in wanted
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == wanted


@pytest.mark.parametrize("asked", [False, True])
def test_threads_and_pages_reach_the_runtime(folder, asked):
    with TextSource(folder, threads=1, huge_pages=asked) as source:
        options = source.parts["model"].options
    assert (options.threads, options.huge_pages) == (1, asked)
    with TextSource.of(TextOptions(folder, ("a",), threads=2), (), huge_pages=asked) as source:
        options = source.parts["model"].options
    assert (options.threads, options.huge_pages) == (2, asked)


def test_another_task_is_refused_before_anything_is_opened(folder, monkeypatch):
    monkeypatch.setattr(module, "open_runner", None)
    with pytest.raises(UsageError, match="does text-generation, not fill-mask") as caught:
        TextSource(folder, tasks=("fill-mask",))
    assert "pipeline generate" in caught.value.fix


def test_a_model_without_a_tokenizer_says_so(tmp_path):
    folder = write_folder(tmp_path / "out", "text-generation", language_model())
    with TextSource(folder) as source, pytest.raises(UsageError, match="no tokenizer came"):
        source.tokenizer  # noqa: B018 - a property


def test_what_was_not_built_is_said(folder):
    with pytest.raises(FolderError, match="nothing here runs on tensorrt"):
        TextSource(folder, "tensorrt")


def test_a_broken_reader_of_sentences_is_named(tmp_path):
    folder = folder_for("zh-en", tmp_path)
    (folder / "tokenizer" / "words.json").write_text("{")
    with pytest.raises(FolderError, match="has 1 bytes"):
        TextSource(folder)
