import itertools
import random

import pytest

from pipeline.precision.mincut import FlowNetwork


@pytest.mark.parametrize("seed", range(30))
def test_the_cut_is_minimal(seed):
    """Against trying every set that holds the source and not the sink."""
    rng = random.Random(seed)
    size = 6
    edges = [
        (a, b, rng.randrange(1, 9))
        for a in range(size)
        for b in range(size)
        if a != b and rng.random() < 0.5
    ]
    flow = FlowNetwork()
    for _ in range(size):
        flow.vertex()
    for a, b, room in edges:
        flow.edge(a, b, room)

    def cost(side):
        return sum(room for a, b, room in edges if a in side and b not in side)

    others = range(2, size)
    best = min(cost({0, *s}) for n in range(size) for s in itertools.combinations(others, n))
    found = {v for v, inside in enumerate(flow.source_side(0, 1)) if inside}
    assert 0 in found
    assert 1 not in found
    assert cost(found) == best


def test_long_chains_do_not_recurse():
    flow = FlowNetwork()
    vertices = [flow.vertex() for _ in range(20_000)]
    for a, b in itertools.pairwise(vertices):
        flow.edge(a, b, 5)
    flow.edge(vertices[10], vertices[11], 0)
    assert sum(flow.source_side(vertices[0], vertices[-1])) == 1
