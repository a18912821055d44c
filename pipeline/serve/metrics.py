"""What the server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.serve.models import ServedModel

_FIRST_TOKEN_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_REQUEST_S = (*_FIRST_TOKEN_S, 60, 120)


class Metrics:
    """Counters of one server."""

    def __init__(self, models: Iterable[ServedModel]) -> None:
        self._registry = CollectorRegistry()
        own = self._registry
        self.requests = Counter(
            "pipeline_requests_total", "Requests answered.", ("path", "status"), registry=own
        )
        self.seconds = Histogram(
            "pipeline_request_seconds", "From a request to the end of its answer.", ("path",),
            buckets=_REQUEST_S, registry=own,
        )  # fmt: skip
        self.first_token = Histogram(
            "pipeline_first_token_seconds", "From a request to its first token.", ("model",),
            buckets=_FIRST_TOKEN_S, registry=own,
        )  # fmt: skip
        self.prompt_tokens = Counter(
            "pipeline_prompt_tokens_total", "Tokens of prompts.", ("model",), registry=own
        )
        self.new_tokens = Counter(
            "pipeline_generated_tokens_total", "Tokens of answers.", ("model",), registry=own
        )
        self._registry.register(_Now(tuple(models)))

    def page(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _Now(Collector):
    """What is true at the moment of asking."""

    def __init__(self, models: tuple[ServedModel, ...]) -> None:
        self._models = models

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        running = GaugeMetricFamily(
            "pipeline_running_answers", "Answers decoded together.", labels=["model"]
        )
        waiting = GaugeMetricFamily(
            "pipeline_waiting_requests", "Requests that wait.", labels=["model"]
        )
        for model in self._models:
            running.add_metric([model.name], model.running)
            waiting.add_metric([model.name], model.waiting)
        yield from (running, waiting)
