"""The graph functions are compared with simple definitions of what they must return."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import graph

Parents = Sequence[Sequence[int]]

graphs = st.integers(1, 9).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, n - 1), max_size=3, unique=True), min_size=n, max_size=n)
)
dags = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        *(st.lists(st.integers(0, max(0, i - 1)), max_size=3, unique=True) if i else st.just([]) for i in range(n))
    )
)


def ancestors(parents: Parents, node: int) -> set[int]:
    seen: set[int] = set()
    stack = list(parents[node])
    while stack:
        at = stack.pop()
        if at not in seen:
            seen.add(at)
            stack += parents[at]
    return seen


@given(graphs)
def test_order_leaves_out_what_is_on_or_behind_a_cycle(parents: Parents) -> None:
    order = graph.topological_order(parents)
    place = {node: at for at, node in enumerate(order)}
    for node in order:
        assert all(place[parent] < place[node] for parent in parents[node])
    on_cycle = {node for node in range(len(parents)) if node in ancestors(parents, node)}
    behind = {node for node in range(len(parents)) if ancestors(parents, node) & on_cycle}
    assert set(range(len(parents))) - set(order) == on_cycle | behind


@given(graphs)
def test_cycles_are_cycles_and_disjoint_and_found(parents: Parents) -> None:
    cycles = graph.cycles(parents)
    for cycle in cycles:
        for at, node in enumerate(cycle):
            assert cycle[at - 1] in parents[node]
    flat = [node for cycle in cycles for node in cycle]
    assert len(flat) == len(set(flat))
    assert bool(cycles) == (len(graph.topological_order(parents)) < len(parents))


@given(dags, st.data())
def test_ancestors_and_descendants(parents: Parents, data: st.DataObject) -> None:
    n = len(parents)
    pairs = data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=8))
    expected = {(node, target) for node, target in pairs if target not in ancestors(parents, node)}
    assert graph.not_ancestors(parents, graph.topological_order(parents), pairs) == expected
    start = data.draw(st.integers(0, n - 1))
    below = [node for node in range(n) if start in ancestors(parents, node)]
    assert graph.descendants(graph.invert(parents), start) == below


def test_a_chain_of_100_000_breaks_nothing() -> None:
    parents = [[node - 1] if node else [] for node in range(100_000)]
    assert len(graph.topological_order(parents)) == 100_000
    assert len(graph.descendants(graph.invert(parents), 0)) == 99_999
    parents[0] = [99_999]
    assert len(graph.cycles(parents)[0]) == 100_000
