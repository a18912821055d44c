"""The answers of one request, heard by an event loop."""

from __future__ import annotations

import asyncio

import pytest

from pipeline.errors import UsageError
from pipeline.serve.answers import Answers, checked
from pipeline.serve.models import Models
from pipeline.serve.options import ServeOptions
from pipeline.tasks.options import GenerateOptions
from tests.pipeline.tasks.folders import SPECIAL, language_model, write_folder


@pytest.fixture(scope="module")
def model(folders):
    with Models(ServeOptions((folders["generate"],))) as models:
        yield models.get("generate")


def options(model, **how):
    return GenerateOptions(model.source.folder.path, ("-",), **how)


def test_leaving_frees_the_rows(model):
    async def first_piece():
        answers = Answers(model, [[5, 6]], options(model, max_new_tokens=100_000))
        async for piece in answers.pieces():
            answers.leave()
            return piece
        raise AssertionError("no piece came")

    assert asyncio.run(first_piece()).ending is None
    for _ in range(100):
        if not model.running:
            return
        asyncio.run(asyncio.sleep(0.02))
    raise AssertionError("the row is still there")


def test_an_error_of_the_model_reaches_the_request(model):
    async def all_of_it():
        answers = Answers(model, [[100_000]], options(model, max_new_tokens=3))
        return [piece async for piece in answers.pieces()]

    with pytest.raises(Exception, match="bounds"):
        asyncio.run(all_of_it())


def test_a_prompt_without_tokens_is_refused(model):
    with pytest.raises(UsageError, match="no tokens"):
        checked(model, [[]], options(model))


def test_an_answer_is_cut_to_the_model_s_positions(tmp_path):
    special = SPECIAL.__class__(**{**vars(SPECIAL), "max_length": 30})
    folder = write_folder(
        tmp_path / "short", "text-generation", language_model(330), "byte_level", special
    )
    with Models(ServeOptions((folder,))) as models:
        short = models.get("short")
        assert checked(short, [[1] * 10, [1] * 12], options(short)).max_new_tokens == 18
        with pytest.raises(UsageError, match="40 prompt tokens do not fit"):
            checked(short, [[1] * 40], options(short))
