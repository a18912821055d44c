"""A socket, and uvicorn around it with an end that lets answers finish."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn

from pipeline.errors import UsageError
from pipeline.serve.options import ServeOptions


class Server(uvicorn.Server):
    """A server whose end by a signal is an end as any other."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop listening on SIGINT and SIGTERM; uvicorn would raise them again at the end."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def listen(options: ServeOptions) -> socket.socket:
    """Return a socket that listens, before any model is loaded.

    Raises:
        UsageError: The address is taken, or there is no such address.
    """
    try:
        found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)
        return socket.create_server(found[0][4][:2], family=found[0][0], backlog=2048)
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"cannot listen at {options.host}, port {options.port}: {error}",
            fix="choose another --host or --port",
        ) from error
