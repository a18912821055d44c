"""Serving artifacts until a signal ends it."""

from __future__ import annotations

import contextlib

from pipeline.errors import EnvironmentMissingError
from pipeline.serve.options import ServeOptions
from pipeline.toolchain import install_hint
from pipeline.types import SILENT, Progress


def serve_models(options: ServeOptions, progress: Progress = SILENT) -> None:
    """Serve artifacts over HTTP until SIGINT or SIGTERM; answers that run may end.

    Args:
        options: What is served, and where.
        progress: Told what is loading, and where the server listens.

    Raises:
        UsageError: The address is taken or no address, or a model cannot be served.
        FolderError: A folder is no artifact.
        EnvironmentMissingError: The extra `serve`, the runner's runtime or its GPU is absent.

    Examples:
        >>> from pipeline import ServeOptions, UsageError, serve_models
        >>> try:
        ...     serve_models(ServeOptions("storyteller", host="256.0.0.1"))
        ... except UsageError as error:
        ...     print(error.fix)
        choose another --host or --port
    """
    try:
        import uvicorn

        from pipeline.serve.app import Service
        from pipeline.serve.listening import Server, listen
        from pipeline.serve.models import Models
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("pipeline"):
            raise
        raise EnvironmentMissingError(
            f"{error.name} is not installed", fix=install_hint("serve")
        ) from error

    with contextlib.closing(listen(options)) as listener:
        progress.step("loading")
        with Models(options) as models:
            host, port = listener.getsockname()[:2]
            names = ", ".join(model.name for model in models)
            progress.step(f"{names} at http://{host}:{port}/v1")
            config = uvicorn.Config(
                Service(models, options).application(),
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=options.drain_seconds,
            )
            Server(config).run([listener])
