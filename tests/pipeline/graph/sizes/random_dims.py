"""Random dims, each with the Python expression it stands for."""

from hypothesis import strategies as st

from pipeline.graph.sizes.dims import Dim

NUMBERS = st.integers(-6, 9)
SIZES = {"batch": st.integers(0, 9), "seq": st.integers(0, 9), "past": st.integers(0, 9)}


def build(draw: st.DrawFn, depth: int) -> tuple[Dim, str]:
    """Return a dim and the Python expression it stands for."""
    if depth == 0 or draw(st.booleans()):
        name = draw(st.sampled_from(["batch", "seq", "past", ""]))
        number = draw(NUMBERS)
        return (Dim.of(name), name) if name else (Dim.of(number), f"({number})")
    (a, x), (b, y) = build(draw, depth - 1), build(draw, depth - 1)
    kind = draw(st.sampled_from(["+", "-", "*", "//", "%", "min", "max"]))
    if kind in ("//", "%"):
        by = draw(st.integers(1, 7))
        return (a // by if kind == "//" else a % by), f"(({x}) {kind} {by})"
    if kind in ("min", "max"):
        dim = a.minimum(b) if kind == "min" else a.maximum(b)
        return dim, f"{kind}({x}, {y})"
    return {"+": a + b, "-": a - b, "*": a * b}[kind], f"(({x}) {kind} ({y}))"


@st.composite
def dims(draw: st.DrawFn) -> tuple[Dim, str]:
    """Return random dims of up to three levels."""
    return build(draw, 3)
