"""Makes a failing scenario smaller while it still fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.scenario import Scenario
from tests.simulation.simulation import Report


def shrink(failed: Report, run: Callable[[Scenario], Report], *, runs: int = 400) -> Report:
    """Return the smallest failing run that was found: fewer instances, nodes, kinds of faults, single faults."""
    best = failed
    tried: set[Scenario] = set()
    while True:
        for scenario in _smaller(best):
            if scenario in tried:
                continue
            if len(tried) >= runs:
                return best
            tried.add(scenario)
            report = run(scenario)
            if report.error:
                best = report
                break
        else:
            return best


def _smaller(report: Report) -> Iterator[Scenario]:
    scenario = report.scenario
    for instances in range(1, min(3, scenario.instances)):
        yield replace(scenario, instances=instances)
    for nodes in range(1, min(12, scenario.nodes)):
        yield replace(scenario, nodes=nodes)
    kinds = {name.split("#")[0]: None for name in report.happened}
    for kind in kinds:
        yield replace(scenario, without=(*scenario.without, kind))
    happened = report.happened
    size = len(happened)
    while size >= 1:
        for start in range(0, len(happened), size):
            yield replace(scenario, skip=(*scenario.skip, *happened[start : start + size]))
        size //= 2
