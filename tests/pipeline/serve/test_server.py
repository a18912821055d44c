"""The server as a process: asked by OpenAI's own client, and ended by a signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import openai
import pytest

from pipeline.errors import EnvironmentMissingError
from pipeline.serve.options import ServeOptions
from pipeline.serve.server import serve_models

WORDS = [sys.executable, "-m", "pipeline", "serve"]


@pytest.fixture
def server(folders):
    words = [*WORDS, str(folders["generate"]), str(folders["embed"]), "--port", "0"]
    environment = {**os.environ, "PIPELINE_API_KEY": "key"}
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment)
    for line in process.stderr:
        if found := re.search(r"http://[\d.]+:\d+/v1", line):
            process.url = found[0]
            break
    yield process
    process.kill()
    process.wait()
    process.stderr.close()


def test_the_official_client_is_answered_and_sigterm_lets_answers_end(server):
    client = openai.OpenAI(base_url=server.url, api_key="key", max_retries=0)
    assert {model.id for model in client.models.list()} == {"generate", "embed"}
    assert len(client.embeddings.create(model="embed", input=["a", "b"]).data) == 2
    message = {"role": "user", "content": "a cat"}
    stream = client.chat.completions.create(
        model="generate", messages=[message], max_tokens=400, temperature=0, stream=True,
    )  # fmt: skip
    first = next(iter(stream))
    assert first.choices[0].delta.role == "assistant"
    server.send_signal(signal.SIGTERM)
    *_, last = stream
    assert last.choices[0].finish_reason == "length"
    assert server.wait(20) == 0


def test_the_official_client_hears_of_a_wrong_key(server):
    with pytest.raises(openai.AuthenticationError, match="API key"):
        openai.OpenAI(base_url=server.url, api_key="other", max_retries=0).models.list()


def test_without_the_extra_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(EnvironmentMissingError, match="uvicorn is not installed") as caught:
        serve_models(ServeOptions((tmp_path,)))
    assert "serve" in caught.value.fix
