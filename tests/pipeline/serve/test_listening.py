"""A port that is taken and an address that is none are told before any model is loaded."""

from __future__ import annotations

import contextlib
import socket

import pytest

from pipeline.errors import UsageError
from pipeline.serve.listening import listen
from pipeline.serve.options import ServeOptions
from pipeline.serve.server import serve_models


def test_a_free_port_is_found(tmp_path):
    with contextlib.closing(listen(ServeOptions((tmp_path,), port=0))) as listener:
        host, port = listener.getsockname()
        assert host == "127.0.0.1"
        assert port > 0


def test_what_cannot_be_listened_at_is_refused(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for how in ({"port": taken.getsockname()[1]}, {"host": "256.0.0.1"}, {"host": "a" * 300}):
            with pytest.raises(UsageError, match="cannot listen"):
                serve_models(ServeOptions((tmp_path,), **how))
