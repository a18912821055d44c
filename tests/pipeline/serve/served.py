"""A server in this process, with small models, and a client of it."""

from __future__ import annotations

import contextlib

from starlette.testclient import TestClient

from pipeline.serve.app import Service
from pipeline.serve.models import Models
from pipeline.serve.options import ServeOptions


@contextlib.contextmanager
def client_of(*folders, **how):
    """Yield a client of what serves these folders, and the models."""
    options = ServeOptions(folders, **how)
    with Models(options) as models, TestClient(Service(models, options).application()) as client:
        client.models = models
        yield client
