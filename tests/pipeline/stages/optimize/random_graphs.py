"""Random transformer-like graphs: layouts, masks, cut points, second readers.

Each draw is one small layer: projections, attention in one of many spellings, a residual with a
norm, a gated or plain feed-forward. Used by the test beside it, and on its own for long runs:

    python -m tests.pipeline.stages.optimize.random_graphs 5000 [seed]
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence

import numpy as np

from pipeline.fusion.plan import plan_for
from pipeline.stages.optimize.engine import optimize_graph
from pipeline.stages.optimize.proof import Prover
from tests.pipeline.text_graphs import model_of, numbers_of

H, D = 4, 8
WIDTH = H * D
TOLERANCE = 2e-4  # float32 through a layer whose weights are of order 1


class Draw:
    """Writes one graph; every choice comes from `pick`."""

    def __init__(self, pick) -> None:
        self.pick = pick
        self.lines: list[str] = []
        self.inputs = ["float[B,S,32] x"]
        self.outputs = ["float[B,S,32] y"]
        self.count = 0

    def new(self, call: str) -> str:
        """Add a node; return its result's name."""
        self.count += 1
        name = f"t{self.count}"
        self.lines.append(f"{name} = {call}")
        return name

    def ints(self, *numbers: int) -> str:
        return self.new(f"Constant<value_ints=[{','.join(map(str, numbers))}]>()")

    def number(self, number: float) -> str:
        return self.new(f"Constant<value = float {{{number}}}>()")

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.inputs)}"
        self.inputs.append(f"float[{','.join(map(str, shape))}] {name}")
        return name

    def layer(self) -> str:
        """Return the text of the graph."""
        x = "x"
        if self.pick([True, False]):
            x = self.norm(x)
        out = self.attention(x)
        out = self.new(f"Add({out}, x)" if self.pick([True, False]) else f"Add(x, {out})")
        if self.pick([True, False]):
            out = self.norm(out)
        if self.pick([True, False]):
            out = self.new(f"Add({out}, {self.ffn(out)})")
        self.lines.append(f"y = Identity({out})")
        if self.pick([True, False, False]):  # a second reader of something inside
            seen = self.pick([n for n in (f"t{i + 1}" for i in range(self.count))
                              if not self.made_by_constant(n)])  # fmt: skip
            self.outputs.append("float z")
            kind = self.new(f"Cast<to=1>({seen})")
            self.lines.append(f"z = ReduceMax<keepdims=0>({kind})")
        signature = f"({', '.join(self.inputs)}) => ({', '.join(self.outputs)})"
        return f"{signature} {{ {' '.join(self.lines)} }}"

    def made_by_constant(self, name: str) -> bool:
        return any(
            line.startswith((f"{name} = Constant", f"{name} = Shape")) for line in self.lines
        )

    def heads(self, x: str, count: int, keys: bool) -> str:
        """Return x projected and split: [B, count, S, D], or [B, count, D, S] for keys."""
        p = self.new(f"MatMul({x}, {self.weight(WIDTH, count * D)})")
        if self.pick([True, False]):
            p = self.new(f"Add({p}, {self.weight(count * D)})")
        r = self.new(f"Reshape({p}, {self.ints(0, 0, count, D)})")
        if not keys:
            return self.new(f"Transpose<perm=[0,2,1,3]>({r})")
        if self.pick([True, False]):
            return self.new(f"Transpose<perm=[0,2,3,1]>({r})")
        t = self.new(f"Transpose<perm=[0,2,1,3]>({r})")
        return self.new(f"Transpose<perm=[0,1,3,2]>({t})")

    def repeated(self, x: str, count: int) -> str:
        """Return [B, count, a, b] repeated to H heads."""
        if count == H:
            return x
        if count == 1 and self.pick([True, False]):
            return x  # the product broadcasts it
        last = self.new(f"Shape<start=2>({x})")
        u = self.new(f"Unsqueeze({x}, {self.ints(2)})")
        e = self.new(f"Expand({u}, {self.ints(1, 1, H // count, 1, 1)})")
        to = self.new(f"Concat<axis=0>({self.ints(-1, H)}, {last})")
        return self.new(f"Reshape({e}, {to})")

    def attention(self, x: str) -> str:
        count = self.pick([H, H, 2, 1])
        q = self.heads(x, H, keys=False)
        k = self.repeated(self.heads(x, count, keys=True), count)
        v = self.repeated(self.heads(x, count, keys=False), count)
        where = self.pick(["scores", "q", "both", "divided"])
        c = D**-0.5
        if where in ("q", "both"):
            root = self.number(c if where == "q" else c**0.5)
            q = self.new(f"Mul({q}, {root})")
            k = self.new(f"Mul({root}, {k})") if where == "both" else k
        s = self.new(f"MatMul({q}, {k})")
        if where == "scores":
            s = self.new(f"Mul({s}, {self.number(c)})")
        elif where == "divided":
            s = self.new(f"Div({s}, {self.number(1 / c)})")
        guarded = False
        for _ in range(self.pick([0, 1, 1, 2])):
            s, infinite = self.masked(s)
            guarded = guarded or infinite
        p = self.new(f"Softmax<axis={self.pick([-1, 3])}>({s})")
        if guarded or self.pick([True, False, False]):
            nan = self.new(f"IsNaN({p})")
            p = self.new(f"Where({nan}, {self.number(0.0)}, {p})")
        o = self.new(f"MatMul({p}, {v})")
        t = self.new(f"Transpose<perm=[0,2,1,3]>({o})")
        r = self.new(f"Reshape({t}, {self.ints(0, 0, WIDTH)})")
        return self.new(f"MatMul({r}, {self.weight(WIDTH, WIDTH)})")

    def masked(self, s: str) -> tuple[str, bool]:
        """Return masked scores, and whether rows may become all minus infinity."""
        shape = self.pick(["B,1,1,S", "B,1,S,S", "S,S", "1,4,S,S", "S"])
        name = f"m{len(self.inputs)}"
        fill = self.pick(["-3.4028235e38", "-inf", "-1e9"])
        kind = self.pick(["added", "where", "where", "bias", "dropped"])
        if kind == "bias":
            self.inputs.append(f"float[{shape}] {name}")
            return self.new(f"Add({s}, {name})"), False
        self.inputs.append(f"bool[{shape}] {name}")
        low = self.number(fill) if fill != "-inf" else self.new("Constant<value = float {-inf}>()")
        if kind == "added":
            zero = self.number(0.0)
            extra = self.new(f"Where({name}, {zero}, {low})")
            return self.new(f"Add({s}, {extra})"), True
        pair = f"{s}, {low}" if kind == "where" else f"{low}, {s}"
        return self.new(f"Where({name}, {pair})"), fill == "-inf"

    def norm(self, x: str) -> str:
        axis, eps = self.ints(-1), self.number(1e-5)
        if self.pick([True, False]):
            mean = self.new(f"ReduceMean({x}, {axis})")
            x = self.new(f"Sub({x}, {mean})")
        square = self.new(self.pick([f"Mul({x}, {x})", f"Pow({x}, {self.number(2.0)})"]))
        spread = self.new(f"ReduceMean({square}, {axis})")
        root = self.new(f"Sqrt({self.new(f'Add({spread}, {eps})')})")
        if self.pick([True, False]):
            n = self.new(f"Div({x}, {root})")
        else:
            n = self.new(f"Mul({x}, {self.new(f'Reciprocal({root})')})")
        if self.pick([True, False]):
            n = self.new(f"Mul({self.weight(WIDTH)}, {n})")
            if self.pick([True, False]):
                n = self.new(f"Add({n}, {self.weight(WIDTH)})")
        return n

    def ffn(self, x: str) -> str:
        up = self.new(f"MatMul({x}, {self.weight(WIDTH, 48)})")
        kind = self.pick(["gelu", "silu", "relu"])
        if kind == "gelu":
            e = self.new(f"Erf({self.new(f'Div({up}, {self.number(2**0.5)})')})")
            one = self.new(f"Add({e}, {self.number(1.0)})")
            act = self.new(f"Mul({self.new(f'Mul({up}, {one})')}, {self.number(0.5)})")
        elif kind == "silu":
            act = self.new(f"Mul({up}, {self.new(f'Sigmoid({up})')})")
        else:
            act = self.new(f"Relu({up})")
        if self.pick([True, False]):
            act = self.new(f"Mul({act}, {self.new(f'MatMul({x}, {self.weight(WIDTH, 48)})')})")
        return self.new(f"MatMul({act}, {self.weight(48, WIDTH)})")


def feeds(model, seed: int, sizes: dict[str, int]) -> dict[str, np.ndarray]:
    """Return inputs: weights scaled by their width, masks with holes and empty rows."""
    rng = np.random.default_rng(seed)
    made = {}
    for value in model.graph.inputs:
        shape = [d if isinstance(d, int) else sizes[str(d.value)] for d in value.shape]
        if value.dtype.is_floating_point():
            scale = shape[0] ** -0.5 if len(shape) == 2 else 1.0
            made[value.name] = (rng.normal(size=shape) * scale).astype(np.float32)
        else:
            made[value.name] = rng.random(shape) < 0.7
    return made


def check(text: str, target: str, seed: int, *, proven: bool) -> str:
    """Optimize a graph; return what is wrong with the result, empty when nothing is."""
    model = model_of(text)
    cases = [feeds(model, seed + i, s) for i, s in enumerate(({"B": 2, "S": 5}, {"B": 1, "S": 1}))]
    before = [numbers_of(model, case) for case in cases]
    fused = optimize_graph(model, plan_for(target), Prover() if proven else None)
    for case, wanted in zip(cases, before, strict=True):
        for want, got in zip(wanted, numbers_of(model, case), strict=True):
            held = np.isfinite(want)
            scale = float(np.abs(want[held]).max()) if held.any() else 1.0
            if got.shape != want.shape or not np.allclose(
                got[held], want[held], rtol=0, atol=TOLERANCE * max(scale, 1.0)
            ):
                return f"wrong output for {target}: {fused.counts}"
    return ""


def main(arguments: Sequence[str]) -> int:
    """Run many graphs; print what fails and a summary line."""
    total, seed = int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 0
    targets = ("ort-cpu", "tensorrt", "onnx", "ort-cuda")
    wrong, started = 0, time.monotonic()
    for i in range(total):
        chooser = random.Random(seed + i)
        text = Draw(chooser.choice).layer()
        try:
            problem = check(text, targets[i % 4], i, proven=i % 5 == 0)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        if problem:
            wrong += 1
            print(f"graph {seed + i}: {problem}\n  {text}", flush=True)
    print(f"{total} graphs, {wrong} wrong, {time.monotonic() - started:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
