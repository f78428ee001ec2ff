"""The shapes of real workflows, in files: for each task the indexes of its parents, which come before it.

`python -m benchmarks.shapes` writes them again. It needs `wfcommons` (the group `shapes` of pyproject.toml), which
generates DAGs of any size after traces of real Montage runs (never the same one twice, whatever the seed). It takes
half a gigabyte, so only the shapes are kept here.
"""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

HERE = Path(__file__).parent / "montage"
SIZES = (1_000, 10_000)


def load(name: str) -> list[list[int]]:
    """The parents of each task. The file has distances instead of indexes, which compress better."""
    distances = json.loads(gzip.decompress((HERE / f"{name}.json.gz").read_bytes()))
    return [[at - distance for distance in mine] for at, mine in enumerate(distances)]


def save(name: str, parents: list[list[int]]) -> None:
    distances = [[at - parent for parent in mine] for at, mine in enumerate(parents)]
    text = json.dumps(distances, separators=(",", ":"))
    (HERE / f"{name}.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def generate(tasks: int) -> list[list[int]]:
    """A Montage workflow of about this many tasks."""
    import networkx
    import numpy
    from wfcommons import WorkflowGenerator
    from wfcommons.wfchef.recipes import MontageRecipe

    random.seed(1)
    numpy.random.seed(1)
    made = WorkflowGenerator(MontageRecipe.from_num_tasks(tasks)).build_workflow()
    order = list(networkx.lexicographical_topological_sort(made))
    index = {task: at for at, task in enumerate(order)}
    return [sorted(index[parent] for parent in made.predecessors(task)) for task in order]


def main() -> None:
    for size in SIZES:
        parents = generate(size)
        save(f"montage_{size}", parents)
        print(f"montage_{size}: {len(parents)} tasks, {sum(map(len, parents))} edges")


if __name__ == "__main__":
    main()
