"""The machine's peaks, measured in the same process and run as the contenders."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import torch

from pipeline.perf.roofline import Peaks

GEMM_SIZES = (256, 512, 1024)
BUDGET_S = 0.1
TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def measure_peaks(precision: str, device: str, threads: int, working_set_bytes: int) -> Peaks:
    """Return the best matrix product and the best copy seen.

    Args:
        precision: Type of the product.
        device: "cpu" or "cuda".
        threads: As the contenders have.
        working_set_bytes: Read plus written by the copy: as much as the model touches, so that
            a model that lives in a cache is held against the bandwidth of that cache.
    """
    dtype = TYPES.get(precision, torch.float32)
    wait: Callable[[], Any] = torch.cuda.synchronize if device == "cuda" else lambda: None
    flops = rate = 0.0
    # Few threads as well: where others keep a core busy, all of them wait for the last one.
    for count in sorted({1, threads}):
        torch.set_num_threads(count)
        flops = max(flops, *(_product(n, dtype, device, wait) for n in _sizes(device)))
        rate = max(rate, _copy(working_set_bytes, device, wait))
    return Peaks(flops, rate, precision, working_set_bytes)


def _sizes(device: str) -> tuple[int, ...]:
    return GEMM_SIZES if device == "cpu" else (4096,)


def _product(size: int, dtype: torch.dtype, device: str, wait: Callable[[], object]) -> float:
    """Return FLOPs per second of a square matrix product."""
    left = torch.randn(size, size, device=device).to(dtype)
    right = torch.randn(size, size, device=device).to(dtype)
    out = torch.empty_like(left)
    return 2.0 * size**3 / best_s(functools.partial(torch.mm, left, right, out=out), wait)


def _copy(working_set_bytes: int, device: str, wait: Callable[[], object]) -> float:
    """Return bytes read plus written per second by a copy."""
    source = torch.ones(max(1024, working_set_bytes // 8), dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    moved = 2.0 * source.numel() * source.element_size()
    return moved / best_s(lambda: target.copy_(source), wait)


def best_s(call: Callable[[], object], wait: Callable[[], object]) -> float:
    """Return the least seconds of a call, repeated within the time budget, at least 3 times."""
    best, spent, calls = float("inf"), 0.0, 0
    while spent < BUDGET_S or calls < 3:
        start = time.perf_counter()
        call()
        wait()
        took = time.perf_counter() - start
        best, spent, calls = min(best, took), spent + took, calls + 1
    return best
