"""RNN, GRU and LSTM with their default activations; others go to onnx.reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from pipeline.judge.op import Kernel, Maker, Op, Table, Tensor, left_to_reference

_State = tuple[Tensor, ...]
_Cell = Callable[[Op, Tensor, _State, Tensor, Tensor, Tensor | None], _State]
_DEFAULTS = {
    "RNN": ("Tanh",),
    "GRU": ("Sigmoid", "Tanh"),
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
}


def _rnn(_op: Op, x: Tensor, state: _State, r: Tensor, b: Tensor, _peep: Tensor | None) -> _State:
    return (torch.tanh(x + state[0] @ r.T + b),)


def _gru(op: Op, x: Tensor, state: _State, r: Tensor, b: Tensor, _peep: Tensor | None) -> _State:
    h = state[0]
    size = h.shape[-1]
    xz, xr, xh = torch.split(x, size, -1)
    rz, rr, rh = torch.split(r, size, 0)
    bz, br, bh = torch.split(b, size, -1)
    z = torch.sigmoid(xz + h @ rz.T + bz)
    reset = torch.sigmoid(xr + h @ rr.T + br)
    if op.get("linear_before_reset", 0):
        new = torch.tanh(xh + reset * (h @ rh.T + bh))
    else:
        new = torch.tanh(xh + (reset * h) @ rh.T + bh)
    return ((1 - z) * new + z * h,)


def _lstm(op: Op, x: Tensor, state: _State, r: Tensor, b: Tensor, peep: Tensor | None) -> _State:
    h, c = state
    i, o, f, g = torch.split(x + h @ r.T + b, h.shape[-1], -1)
    if peep is not None:
        pi, po, pf = torch.split(peep, h.shape[-1], -1)
        i, f = i + pi * c, f + pf * c
    f = 1 - torch.sigmoid(i) if op.get("input_forget", 0) else torch.sigmoid(f)
    c = f * c + torch.sigmoid(i) * torch.tanh(g)
    o = o + po * c if peep is not None else o
    return torch.sigmoid(o) * torch.tanh(c), c


def _recurrent(cell: _Cell, states: int) -> Maker:
    def make(op: Op) -> Kernel:
        directions = {"bidirectional": (0, 1), "reverse": (1,)}.get(op.get("direction", ""), (0,))
        usual = _DEFAULTS[op.kind] * len(directions)
        if tuple(op.get("activations", usual)) != usual or op.get("clip") is not None:
            return left_to_reference

        def kernel(
            x: Tensor,
            w: Tensor,
            r: Tensor,
            b: Tensor | None = None,
            lengths: Tensor | None = None,
            *initial: Tensor | None,
        ) -> Any:
            batch_first = op.get("layout", 0)
            x = x.transpose(0, 1) if batch_first else x
            given = [
                s.transpose(0, 1) if s is not None and batch_first else s for s in initial[:states]
            ]
            peep = initial[states] if len(initial) > states else None
            runs = [
                _one_way(
                    op,
                    cell,
                    states,
                    x,
                    w[d],
                    r[d],
                    None if b is None else b[d],
                    lengths,
                    [s if s is None else s[d] for s in given],
                    None if peep is None else peep[d],
                    bool(back),
                )
                for d, back in enumerate(directions)
            ]
            y = torch.stack([run[0] for run in runs], 1)
            last = [torch.stack([run[1][s] for run in runs]) for s in range(states)]
            if batch_first:
                y, last = y.permute(2, 0, 1, 3), [s.transpose(0, 1) for s in last]
            return (y, *last)

        return kernel

    return make


def _one_way(
    op: Op,
    cell: _Cell,
    states: int,
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None,
    lengths: Tensor | None,
    initial: list[Tensor | None],
    peep: Tensor | None,
    back: bool,
) -> tuple[Tensor, _State]:
    """Return the hidden state of each step and the last state of one direction."""
    steps, batch = x.shape[:2]
    width = r.shape[-1]
    given = [*initial, *[None] * (states - len(initial))]
    state: _State = tuple(x.new_zeros(batch, width) if s is None else s for s in given)
    wb, rb = torch.split(b, r.shape[0]) if b is not None else (x.new_zeros(r.shape[0]),) * 2
    projected = x @ w.T + wb
    outputs = x.new_zeros(steps, batch, width)
    for step in reversed(range(steps)) if back else range(steps):
        new = cell(op, projected[step], state, r, rb, peep)
        if lengths is not None:
            # A row past its length keeps its state and yields zeros.
            live = (step < lengths)[:, None]
            state = tuple(torch.where(live, n, s) for n, s in zip(new, state, strict=True))
            outputs[step] = torch.where(live, new[0], torch.zeros((), dtype=x.dtype))
        else:
            state = new
            outputs[step] = new[0]
    return outputs, state


TABLE: Table = {
    ("", "RNN"): _recurrent(_rnn, 1),
    ("", "GRU"): _recurrent(_gru, 1),
    ("", "LSTM"): _recurrent(_lstm, 2),
}
