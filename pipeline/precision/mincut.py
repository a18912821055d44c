"""Minimum cut by Dinic's algorithm: levels by breadth first, then blocking flows.

Source: Y. Dinitz, "Algorithm for solution of a problem of maximum flow", 1970.
"""

from __future__ import annotations

from collections import deque

INFINITE = 1 << 60


class FlowNetwork:
    """A directed graph with capacities; vertices are numbered as they are added."""

    def __init__(self) -> None:
        self._heads: list[list[int]] = []  # edge numbers leaving each vertex
        self._to: list[int] = []
        self._room: list[int] = []

    def vertex(self) -> int:
        """Add a vertex and return its number."""
        self._heads.append([])
        return len(self._heads) - 1

    def edge(self, start: int, end: int, capacity: int) -> None:
        """Add an edge; its reverse is the next number."""
        for vertex, other, room in ((start, end, capacity), (end, start, 0)):
            self._heads[vertex].append(len(self._to))
            self._to.append(other)
            self._room.append(room)

    def source_side(self, source: int, sink: int) -> list[bool]:
        """Return, per vertex, whether it lies on the source's side of a minimum cut."""
        while True:
            levels = self._levels(source)
            if levels[sink] < 0:
                return [level >= 0 for level in levels]
            next_edge = [0] * len(self._heads)
            while self._push(source, sink, levels, next_edge):
                pass

    def _levels(self, source: int) -> list[int]:
        levels = [-1] * len(self._heads)
        levels[source] = 0
        queue = deque([source])
        while queue:
            vertex = queue.popleft()
            for edge in self._heads[vertex]:
                end = self._to[edge]
                if self._room[edge] and levels[end] < 0:
                    levels[end] = levels[vertex] + 1
                    queue.append(end)
        return levels

    def _push(self, source: int, sink: int, levels: list[int], next_edge: list[int]) -> bool:
        """Send flow along one path, found depth first without recursion."""
        path: list[int] = []
        vertex = source
        while vertex != sink:
            heads = self._heads[vertex]
            while next_edge[vertex] < len(heads):
                edge = heads[next_edge[vertex]]
                end = self._to[edge]
                if self._room[edge] and levels[end] == levels[vertex] + 1:
                    path.append(edge)
                    vertex = end
                    break
                next_edge[vertex] += 1
            else:
                if not path:
                    return False
                vertex = self._to[path.pop() ^ 1]
                next_edge[vertex] += 1
        flow = min(self._room[edge] for edge in path)
        for edge in path:
            self._room[edge] -= flow
            self._room[edge ^ 1] += flow
        return True
