"""Puts the nodes of a graph into columns and rows (Sugiyama, Tagawa, Toda 1981): layers by longest path, and few
crossings by the barycentres of neighbours. A flow that skips columns gets a place in each, so that it crosses no node.
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

_SWEEPS = 8


@dataclass(frozen=True)
class Grid:
    """`columns` holds the ids in each column from left to right, from top to bottom; `paths` the places of each flow by
    its index: its source, its place in every column between, its target. `backward` holds the flows that lead left.
    """

    columns: list[list[str]]
    paths: dict[int, list[str]]
    backward: set[int]


def arrange(nodes: list[str], flows: list[tuple[str, str]], start: str) -> Grid:
    """Arrange `nodes`, all reached from `start`, that `flows` (source, target) join."""
    backward = _backward(nodes, flows, start)
    forward = [(place, *flow) for place, flow in enumerate(flows) if place not in backward]
    layer = _longest_paths(nodes, [(source, target) for _, source, target in forward])
    columns: list[list[str]] = [[] for _ in range(max(layer.values()) + 1)]
    for node in nodes:
        columns[layer[node]].append(node)
    paths: dict[int, list[str]] = {}
    for place, source, target in forward:
        between = [f"{place} {column}" for column in range(layer[source] + 1, layer[target])]
        for column, dummy in enumerate(between, layer[source] + 1):
            columns[column].append(dummy)
        paths[place] = [source, *between, target]
    _uncross(columns, paths)
    return Grid(columns, paths, backward)


def _backward(nodes: list[str], flows: list[tuple[str, str]], start: str) -> set[int]:
    """The flows that close a circle, by a walk in depth from the start."""
    leaving: defaultdict[str, list[int]] = defaultdict(list)
    for place, (source, _) in enumerate(flows):
        leaving[source].append(place)
    found: set[int] = set()
    state = dict.fromkeys(nodes, 0)  # 0 not seen, 1 on the way here, 2 done
    for root in (start, *nodes):
        if state[root]:
            continue
        state[root] = 1
        walk = [(root, iter(leaving[root]))]
        while walk:
            node, rest = walk[-1]
            place = next(rest, None)
            if place is None:
                state[node] = 2
                walk.pop()
            elif state[target := flows[place][1]] == 1:
                found.add(place)
            elif state[target] == 0:
                state[target] = 1
                walk.append((target, iter(leaving[target])))
    return found


def _longest_paths(nodes: list[str], flows: list[tuple[str, str]]) -> dict[str, int]:
    layer = dict.fromkeys(nodes, 0)
    waiting = dict.fromkeys(nodes, 0)
    leaving: defaultdict[str, list[str]] = defaultdict(list)
    for source, target in flows:
        leaving[source].append(target)
        waiting[target] += 1
    ready = [node for node in nodes if not waiting[node]]
    while ready:
        node = ready.pop()
        for target in leaving[node]:
            layer[target] = max(layer[target], layer[node] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return layer


def _uncross(columns: list[list[str]], paths: dict[int, list[str]]) -> None:
    before: defaultdict[str, list[str]] = defaultdict(list)
    after: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths.values():
        for left, right in pairwise(path):
            after[left].append(right)
            before[right].append(left)
    for sweep in range(_SWEEPS):
        neighbours, order = (before, columns[1:]) if sweep % 2 == 0 else (after, columns[-2::-1])
        for column in order:
            rows = {node: row for nodes in columns for row, node in enumerate(nodes)}
            column.sort(key=lambda node, rows=rows, near=neighbours: _barycentre(node, near[node], rows))


def _barycentre(node: str, neighbours: list[str], rows: dict[str, int]) -> float:
    return sum(rows[other] for other in neighbours) / len(neighbours) if neighbours else float(rows[node])
