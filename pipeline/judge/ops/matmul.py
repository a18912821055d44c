"""Matrix products, plain and fused."""

from __future__ import annotations

import torch

from pipeline.judge.op import Kernel, Op, Table, Tensor, always


def gemm(op: Op) -> Kernel:
    """Return alpha * A' B' + beta * C."""
    alpha, beta = op.get("alpha", 1.0), op.get("beta", 1.0)
    trans_a, trans_b = op.get("transA", 0), op.get("transB", 0)

    def kernel(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        y = torch.matmul(a.T if trans_a else a, b.T if trans_b else b)
        if alpha != 1.0:
            y = (y * alpha).to(y.dtype)
        if c is None:
            return y
        return y + (c if beta == 1.0 else (c * beta).to(c.dtype))

    return kernel


def einsum(op: Op) -> Kernel:
    """Return the Einstein sum of the inputs."""
    equation = op.get("equation").replace(" ", "")

    def kernel(*xs: Tensor) -> Tensor:
        return torch.einsum(equation, *xs)

    return kernel


def _to_matrix_side(x: Tensor, matrix: int, batch: int) -> Tensor:
    if batch:
        # Axis 1 joins the matrix; what lay between it and the rows becomes batch.
        x = x.movedim(0, -2)
    return x.transpose(-1, -2) if matrix and x.dim() > 1 else x


def fused_matmul(op: Op) -> Kernel:
    """Return alpha * A' B' with optional transposes of matrix and batch axes (com.microsoft)."""
    alpha = op.get("alpha", 1.0)
    a_side = op.get("transA", 0), op.get("transBatchA", 0)
    b_side = op.get("transB", 0), op.get("transBatchB", 0)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        y = torch.matmul(_to_matrix_side(a, *a_side), _to_matrix_side(b, *b_side))
        return y if alpha == 1.0 else y * alpha

    return kernel


TABLE: Table = {
    ("", "MatMul"): always(torch.matmul),
    ("", "Gemm"): gemm,
    ("", "Einsum"): einsum,
    ("com.microsoft", "FusedMatMul"): fused_matmul,
}
