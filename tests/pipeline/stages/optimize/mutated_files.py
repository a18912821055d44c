"""Mutated model files: every one is optimized, or refused with an error of ours, in bounded time.

    python -m tests.pipeline.stages.optimize.mutated_files 10000 DIR_OF_ONNX_FILES [seed]

Bytes are flipped, cut, repeated and moved; fields of the parsed file are swapped, dropped and
given absurd values. Each file is handled in a forked child under a limit of processor time and of
memory. What is neither optimized nor refused is printed with its number, which makes it again:

    python -m tests.pipeline.stages.optimize.mutated_files 1 DIR_OF_ONNX_FILES number
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx

SECONDS, STUCK_SECONDS, BYTES = 60, 1800, 4 << 30
FINE, REFUSED = 0, 2
HUGE = (0, -1, 1, 2**31, 2**62, -(2**63))


def flip(data: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.choice([1, 2, 8, 64])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def cut(data: bytearray, rng: random.Random) -> bytes:
    return bytes(data[: rng.randrange(len(data))])


def move(data: bytearray, rng: random.Random) -> bytes:
    a, b, size = (rng.randrange(len(data)) for _ in range(3))
    size = size % 256 + 1
    data[a : a + size] = data[b : b + size]
    return bytes(data)


def rewire(data: bytearray, rng: random.Random) -> bytes:
    """Give a node another's input, output, operator or attribute value."""
    model = onnx.load_from_string(bytes(data))
    nodes = model.graph.node
    for _ in range(rng.choice([1, 1, 3])):
        one, other = rng.choice(nodes), rng.choice(nodes)
        kind = rng.randrange(5)
        if kind == 0 and one.input and other.output:
            one.input[rng.randrange(len(one.input))] = rng.choice([*other.output, "", "nowhere"])
        elif kind == 1 and one.output:
            one.output[0] = rng.choice([*other.output, *other.input, ""])
        elif kind == 2:
            one.op_type = rng.choice([other.op_type, "NoSuchOperator", "Loop"])
        elif kind == 3 and one.attribute:
            attribute = rng.choice(one.attribute)
            attribute.i = rng.choice(HUGE)
            attribute.ints[:] = [rng.choice(HUGE) for _ in attribute.ints]
        else:
            del one.input[:]
    return model.SerializeToString()


def reshape(data: bytearray, rng: random.Random) -> bytes:
    """Give a tensor or an input absurd dims, another type, or too little data."""
    model = onnx.load_from_string(bytes(data))
    graph = model.graph
    if graph.initializer and rng.random() < 0.6:
        tensor = rng.choice(graph.initializer)
        kind = rng.randrange(3)
        if kind == 0 and tensor.dims:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(HUGE)
        elif kind == 1:
            tensor.data_type = rng.randrange(0, 30)
        else:
            tensor.raw_data = tensor.raw_data[: len(tensor.raw_data) // 2]
    elif graph.input:
        shape = rng.choice(graph.input).type.tensor_type.shape
        for dim in shape.dim:
            if rng.random() < 0.5:
                dim.dim_value = rng.choice(HUGE)
    if rng.random() < 0.2 and model.opset_import:
        model.opset_import[0].version = rng.choice([0, 1, 9, 30, 2**40])
    return model.SerializeToString()


MUTATIONS: tuple[Callable[[bytearray, random.Random], bytes], ...] = (
    flip, cut, move, rewire, rewire, reshape, reshape,
)  # fmt: skip


def handle(path: Path) -> int:
    """Optimize a file as the command line would, without proofs; return its exit code."""
    from pipeline.errors import PipelineError
    from pipeline.stages.optimize.options import OptimizeOptions
    from pipeline.stages.optimize.stage import optimize_model

    try:
        optimize_model(OptimizeOptions(path, path.with_name("out.onnx"), proof="none"))
    except PipelineError as error:
        return error.exit_code
    return FINE


def in_child(path: Path, log: Path) -> str:
    """Return how handling a file in a forked child ended: fine, refused, or what went wrong."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
            fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(fd, 1), os.dup2(fd, 2)
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
            signal.alarm(STUCK_SECONDS)  # waiting takes no processor time
            code = handle(path)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        stuck = (signal.SIGALRM, signal.SIGXCPU, signal.SIGKILL)
        return "hang" if number in stuck else f"killed by signal {number}"
    code = os.waitstatus_to_exitcode(status)
    return {FINE: "fine", REFUSED: "refused"}.get(code, f"exit {code}")


def main(arguments: Sequence[str]) -> int:
    """Mutate many files; print each that ends badly, and a summary."""
    total, folder = int(arguments[0]), Path(arguments[1])
    seed = int(arguments[2]) if len(arguments) > 2 else 0
    files = [p for p in sorted(folder.rglob("*.onnx")) if p.stat().st_size < 12_000_000]
    import pipeline.fusion.plan
    import pipeline.stages.optimize.engine
    import pipeline.stages.optimize.records  # noqa: F401

    ends: Counter[str] = Counter()
    started, slowest = time.monotonic(), 0.0
    with tempfile.TemporaryDirectory() as work:
        path, log = Path(work) / "model.onnx", Path(work) / "log.txt"
        for i in range(total):
            rng = random.Random(seed + i)
            source = rng.choice(files)
            try:
                path.write_bytes(rng.choice(MUTATIONS)(bytearray(source.read_bytes()), rng))
            except Exception:  # the mutation itself made an unwritable message
                ends["not a mutation"] += 1
                continue
            before = time.monotonic()
            end = in_child(path, log)
            slowest = max(slowest, time.monotonic() - before)
            ends[end] += 1
            if end not in ("fine", "refused"):
                last = (log.read_text(errors="replace").strip().splitlines() or ["no output"])[-1]
                print(f"{seed + i} {source.parent.name}: {end}: {last[:300]}", flush=True)
    bad = sum(n for end, n in ends.items() if end not in ("fine", "refused", "not a mutation"))
    spent = time.monotonic() - started
    print(f"{total} files, {bad} bad, {dict(ends)}, slowest {slowest:.1f} s, {spent:.0f} s in all")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
