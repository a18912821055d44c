"""A stream ends with its reader, and hands on what goes wrong."""

from __future__ import annotations

import threading
import time

import pytest

from pipeline import GenerateOptions
from pipeline.api import stream as subject
from pipeline.api.stream import pieces_of
from pipeline.errors import UsageError
from pipeline.tasks.source import TextSource
from tests.pipeline.tasks.folders import folder_for


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    with TextSource(folder_for("generate", tmp_path_factory.mktemp("stream"))) as opened:
        yield opened


def options(source):
    return GenerateOptions(source.folder.path, ("Once",), max_new_tokens=12)


def test_the_pieces_are_the_answer(source):
    pieces = list(pieces_of(source, options(source)))
    assert "".join(pieces) == subject.generate(source, options(source)).texts[0]
    assert all(pieces)


def test_leaving_a_stream_ends_the_generation(source, monkeypatch):
    heard = []

    def slow(source, options, sink):
        for number in range(200):
            heard.append(number)
            sink("piece")
            time.sleep(0.01)

    monkeypatch.setattr(subject, "generate", slow)
    stream = pieces_of(source, options(source))
    next(stream)
    stream.close()
    assert len(heard) < 200
    assert not [t for t in threading.enumerate() if t.name == "pipeline-stream"]


def test_an_error_inside_a_stream_reaches_its_reader(source, monkeypatch):
    def broken(source, options, sink):
        sink("one")
        raise UsageError("no more")

    monkeypatch.setattr(subject, "generate", broken)
    stream = pieces_of(source, options(source))
    assert next(stream) == "one"
    with pytest.raises(UsageError, match="no more"):
        next(stream)
