"""The application: every path answers, and bad requests get the right status."""

from __future__ import annotations

import base64

import numpy as np
import pytest

import pipeline
from tests.pipeline.serve.served import client_of


def test_models_are_listed_with_what_they_answer(client):
    made = client.get("/v1/models").json()["data"]
    answers = {one["id"]: one["answers"] for one in made}
    assert answers == {
        "generate": ["generate"],
        "embed": ["embed"],
        "classify": ["classify"],
        "rerank": ["classify", "rerank"],
        "fill-mask": ["embed"],
        "zh-en": ["translate", "generate"],
        "translate": ["translate", "generate"],
    }
    assert client.get("/v1/models/zh-en").json()["task"] == "translation"


def test_embeddings_are_those_of_the_command(client, folders):
    texts = ["a cat", "The cat sat on the mat.", "b"]
    with pipeline.load(folders["embed"]) as model:
        expected = model.embed(texts)
    asked = {"model": "embed", "input": texts}
    made = client.post("/v1/embeddings", json=asked).json()
    assert [row["index"] for row in made["data"]] == [0, 1, 2]
    np.testing.assert_allclose([row["embedding"] for row in made["data"]], expected, atol=1e-6)
    packed = client.post("/v1/embeddings", json={**asked, "encoding_format": "base64"}).json()
    raw = base64.b64decode(packed["data"][1]["embedding"])
    np.testing.assert_allclose(np.frombuffer(raw, "<f4"), expected[1], atol=1e-6)


def test_classes_and_translations_are_those_of_the_command(client, folders):
    with pipeline.load(folders["classify"]) as model:
        (expected,) = model.classify("a cat")
    made = client.post("/classify", json={"model": "classify", "input": "a cat"}).json()
    assert [c["label"] for c in made["answers"][0]["classes"]] == [
        c.label for c in expected.classes
    ]
    with pipeline.load(folders["zh-en"]) as model:
        expected = model.translate(["我今天很开心", "你好"])
    body = {"model": "zh-en", "input": ["我今天很开心", "你好"]}
    assert client.post("/translate", json=body).json()["texts"] == list(expected.texts)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/embeddings", {"model": "nobody", "input": "a"}, 404),
        ("/v1/embeddings", {"model": "generate", "input": "a"}, 400),
        ("/v1/embeddings", {"model": "embed", "input": []}, 400),
        ("/v1/embeddings", {"model": "embed", "input": [" "]}, 400),
        ("/v1/embeddings", {"model": "embed", "input": "a", "dimensions": 2}, 400),
        ("/translate", {"model": "classify", "input": "a"}, 400),
        ("/nowhere", {}, 404),
    ],
)
def test_bad_requests(client, path, body, status):
    response = client.post(path, json=body)
    assert response.status_code == status
    assert response.json()["error"]["message"]


def test_the_wrong_method_is_told(client):
    response = client.get("/v1/embeddings")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_a_large_body_is_refused_told_or_not(folders):
    with client_of(folders["embed"], max_body_bytes=100) as client:
        assert client.post("/v1/embeddings", content=b"x" * 101).status_code == 413
        pieces = (b"x" * 60 for _ in range(2))
        assert client.post("/v1/embeddings", content=pieces).status_code == 413


def test_a_key_is_asked_where_one_is_set(folders):
    with client_of(folders["embed"], api_key="sésame") as client:
        body = {"model": "embed", "input": "a"}
        for headers in ({}, {"Authorization": "Bearer other"}):
            response = client.post("/v1/embeddings", json=body, headers=headers)
            assert response.status_code == 401
        right = {"Authorization": "Bearer sésame".encode()}
        assert client.post("/v1/embeddings", json=body, headers=right).status_code == 200
        assert client.get("/health").status_code == 200


def test_health_and_readiness(client):
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"ready": True, "failed": []}


def test_a_model_whose_thread_has_ended_is_not_ready(folders):
    with client_of(folders["generate"]) as client:
        next(iter(client.models)).generator.close()
        response = client.get("/ready")
        assert (response.status_code, response.json()["failed"]) == (503, ["generate"])
        body = {"model": "generate", "prompt": "a"}
        assert client.post("/v1/completions", json=body).status_code == 429


def test_documents_are_ranked_as_the_command_does(client, folders):
    documents = ["a cat", "Once upon a time", "b"]
    with pipeline.load(folders["rerank"]) as model:
        expected = model.rerank("cat?", documents)
    body = {"model": "rerank", "query": "cat?", "documents": documents}
    made = client.post("/v1/rerank", json=body).json()["results"]
    assert [row["index"] for row in made] == [row.index for row in expected]
    assert made[0]["relevance_score"] == pytest.approx(expected[0].score, abs=1e-6)
    assert made[0]["document"]["text"] == expected[0].text
    short = client.post("/v1/rerank", json={**body, "top_n": 1, "return_documents": False})
    assert [row.get("document") for row in short.json()["results"]] == [None]
    for bad in ({"query": " "}, {"documents": []}, {"documents": [""]}, {"model": "classify"}):
        assert client.post("/v1/rerank", json={**body, **bad}).status_code == 400
