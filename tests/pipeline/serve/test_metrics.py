"""What Prometheus reads."""

from __future__ import annotations

from tests.pipeline.serve.served import client_of


def test_requests_and_tokens_are_counted(folders):
    with client_of(folders["generate"]) as client:
        body = {"model": "generate", "prompt": "a", "max_tokens": 5, "temperature": 0}
        assert client.post("/v1/completions", json=body).status_code == 200
        client.post("/v1/completions", json={**body, "model": "x"})
        page = client.get("/metrics").text
    for line in (
        'pipeline_requests_total{path="/v1/completions",status="200"} 1.0',
        'pipeline_requests_total{path="/v1/completions",status="404"} 1.0',
        'pipeline_generated_tokens_total{model="generate"} 5.0',
        'pipeline_first_token_seconds_count{model="generate"} 1.0',
        'pipeline_running_answers{model="generate"} 0.0',
        'pipeline_waiting_requests{model="generate"} 0.0',
    ):
        assert line in page, line
