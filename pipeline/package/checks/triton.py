#!/usr/bin/env python3
"""Check this model repository against Triton's own protobuf, and ask a server where there is one.

    python check/check.py

Needs tritonclient[all]; a server is that of PATH, or of nvidia-pytriton. Graphs of backends that
the server lacks are not served, which is said. Exit codes: 0 every answer is right, 1 one is not,
3 tritonclient is not installed.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":  # in a package: the toolkit need not be installed
    sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))

from pipeline.package.checks import common

WAIT_S = 120
STARTED_S = 0.2
BACKENDS = Path("/opt/tritonserver/backends")


def check(asked: common.Asked) -> common.Findings:
    """Return what was asked, and whether the answer was right."""
    try:
        grpc = importlib.import_module("tritonclient.grpc")
        http = importlib.import_module("tritonclient.http")
        proto = importlib.import_module("tritonclient.grpc.model_config_pb2")
        text = importlib.import_module("google.protobuf.text_format")
    except ImportError as error:
        raise common.NotCheckedError(f"{error.name} is not installed here") from error
    repository = asked["package"] / asked["repository"]
    found: common.Findings = []
    backends = {}
    for path in sorted(repository.glob("*/config.pbtxt")):
        config = text.Parse(path.read_text(encoding="utf-8"), proto.ModelConfig())
        found.append(configured(asked, path.parent.name, config))
        backends[path.parent.name] = config.backend
    server = server_here()
    if server is None:
        return [*found, common.finding("served", None, "not served here: no tritonserver")]
    asked = {**asked, "grpc": grpc, "http": http, "repository": repository}
    here = {path.name for path in server[1].iterdir()}
    for name, backend in backends.items():
        if backend not in here:
            says = f"not served here: this server has no {backend} backend"
            found.append(common.finding(f"served {name}", None, says))
    names = [name for name, backend in backends.items() if backend in here]
    with serving(asked, server, names) as ports:
        for name in names:
            found += answered(asked, name, ports)
    return found


def configured(asked: common.Asked, name: str, config: Any) -> dict[str, Any]:
    """Return whether a configuration is of Triton's kind, and names what its graph has."""
    wrong = [] if config.name == name else [f"it is called {config.name}"]
    for spec in (*config.input, *config.output) if name in asked["tensors"] else ():
        kind, sizes = asked["tensors"][name].get(spec.name, ("nothing", []))
        sizes = sizes[1:] if config.max_batch_size else sizes
        told = importlib.import_module("tritonclient.utils").triton_to_np_dtype(
            type(config).DESCRIPTOR.fields_by_name["input"].message_type.fields_by_name["data_type"]
            .enum_type.values_by_number[spec.data_type].name.removeprefix("TYPE_")
        )  # fmt: skip
        told = "nothing" if told is None else np.dtype(told).name
        if (told, list(spec.dims)) != (kind, sizes):
            wrong.append(f"{spec.name} is {told} {list(spec.dims)}, the graph's {kind} {sizes}")
    missing = set(asked["tensors"].get(name, ())) - {
        s.name for s in (*config.input, *config.output)
    }
    wrong += [f"{tensor} is left out" for tensor in sorted(missing)]
    return common.finding(f"configuration of {name}", not wrong, "; ".join(wrong[:3]))


def server_here() -> tuple[Path, Path, dict[str, str]] | None:
    """Return a server, its backends and what its environment needs; None where there is none."""
    if (found := shutil.which("tritonserver")) is not None:
        return Path(found), BACKENDS, {}
    try:
        home = Path(str(importlib.import_module("pytriton").__file__)).parent
    except ImportError:
        return None
    libraries = [
        home.parent / "nvidia_pytriton.libs",
        Path(str(sysconfig.get_config_var("LIBDIR"))),
    ]
    paths = os.pathsep.join(map(str, libraries))
    server = home / "tritonserver"
    return server / "bin" / "tritonserver", server / "backends", {"LD_LIBRARY_PATH": paths}


@contextmanager
def serving(
    asked: common.Asked, server: tuple[Path, Path, dict[str, str]], names: list[str]
) -> Iterator[dict[str, int]]:
    """Start a server with some models; yield its ports."""
    program, backends, variables = server
    ports = {word: free_port() for word in ("http", "grpc")}
    with tempfile.TemporaryDirectory() as scratch:
        home = with_stub(backends, Path(scratch))
        command = [
            str(program), f"--model-repository={asked['repository']}",
            f"--backend-directory={home}", "--model-control-mode=explicit",
            *(f"--load-model={name}" for name in names), "--allow-metrics=false",
            f"--http-port={ports['http']}", f"--grpc-port={ports['grpc']}",
            "--http-address=127.0.0.1", "--grpc-address=127.0.0.1",
        ]  # fmt: skip
        told = Path(scratch) / "log"
        # The backend's program takes its packages from the first Python in PATH.
        places = os.pathsep.join((str(Path(sys.prefix) / "bin"), os.environ.get("PATH", "")))
        environment = {**os.environ, **variables, "PATH": places}
        with told.open("w") as log:
            running = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            wait(running, ports["http"], told)
            yield ports
        finally:
            running.terminate()
            running.wait(60)


def with_stub(backends: Path, scratch: Path) -> Path:
    """Return the backends, with the Python backend's program for this Python where it is apart."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = backends.parent / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.is_file():
        return backends
    shutil.copytree(backends, scratch / "backends")
    shutil.copy(stub, scratch / "backends" / "python" / stub.name)
    return scratch / "backends"


def wait(running: subprocess.Popen[Any], port: int, log: Path) -> None:
    """Return when the server and its models are ready."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        if running.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5):
                return
        except OSError:
            time.sleep(STARTED_S)
    said = [line for line in log.read_text().splitlines() if "rror" in line or line.startswith("E")]
    raise RuntimeError("the server does not start: " + (said or ["it says nothing"])[-1][-400:])


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answered(asked: common.Asked, name: str, ports: dict[str, int]) -> common.Findings:
    """Return whether a served model answers right."""
    if name == asked["twin"] and "tokens" in asked:
        return generated(asked, name, ports)
    found: common.Findings = []
    for library, port in ((asked["http"], ports["http"]), (asked["grpc"], ports["grpc"])):
        client = library.InferenceServerClient(f"127.0.0.1:{port}")
        way = library.__name__.rpartition(".")[2]
        for number, inputs, outputs, limits in common.cases({"outputs": (), **asked}):
            made = client.infer(name, [tensor(library, n, array) for n, array in inputs.items()])
            for output, wanted in outputs.items():
                got = made.as_numpy(output)
                what = f"{name} over {way}, case {number}, {output}"
                if got is None:
                    found.append(common.finding(what, False, "it did not come back"))
                else:
                    found.append(common.within(what, got, wanted, limits[output]))
        client.close()
    return found


def generated(asked: common.Asked, name: str, ports: dict[str, int]) -> common.Findings:
    """Ask the twin for tokens over gRPC, and over HTTP, which hands them on as they come."""
    grpc, http = asked["grpc"], f"http://127.0.0.1:{ports['http']}/v2/models/{name}"
    client = grpc.InferenceServerClient(f"127.0.0.1:{ports['grpc']}")

    most = tensor(grpc, "max_new_tokens", np.asarray([asked["new_tokens"]], np.int64))

    def streamed(ids: list[int], _new: int) -> list[int]:
        inputs = [tensor(grpc, "ids", np.asarray(ids, np.int64)), most]
        return [int(made.as_numpy("token")[0]) for made in stream(client, name, inputs)]

    def posted(ids: list[int], new: int) -> list[int]:
        body = json.dumps({"ids": ids, "max_new_tokens": new}).encode()
        with urllib.request.urlopen(f"{http}/generate_stream", body) as told:
            lines = [line[5:] for line in told if line.startswith(b"data:")]
        return [json.loads(line)["token"] for line in lines]

    found = common.tokens_found(asked, streamed, f"{name} over grpc, ")
    found += common.tokens_found(asked, posted, f"{name} over http, ")
    for case in (case for case in asked["tokens"] if asked["words"] and "text" in case):
        words = tensor(grpc, "prompt", np.asarray([case["text"].encode()], np.object_))
        made = [int(piece.as_numpy("token")[0]) for piece in stream(client, name, [words, most])]
        near = common.tokens_found({**asked, "tokens": [case]}, _always(made))
        found += [{**one, "what": f"{name} told {case['text'][:20]!r}"} for one in near]
    client.close()
    return found


def _always(made: list[int]) -> Callable[[list[int], int], list[int]]:
    return lambda _ids, _new: made


def stream(client: Any, name: str, inputs: list[Any]) -> Iterator[Any]:
    """Yield the pieces of one answer."""
    came: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(lambda result, error: came.put((result, error)))
    try:
        client.async_stream_infer(name, inputs, enable_empty_final_response=True)
        while True:
            result, error = came.get(timeout=WAIT_S)
            if error is not None:
                raise error
            final = result.get_response().parameters.get("triton_final_response")
            if result.as_numpy("token") is not None:
                yield result
            if final is not None and final.bool_param:
                return
    finally:
        client.stop_stream()


def tensor(library: Any, name: str, array: np.ndarray) -> Any:
    """Return an array as a client sends it."""
    kind = importlib.import_module("tritonclient.utils").np_to_triton_dtype(array.dtype)
    made = library.InferInput(name, list(array.shape), kind)
    made.set_data_from_numpy(array)
    return made


if __name__ == "__main__":
    common.main(check, __file__)
