"""What a seed determines: workflows, policies, settings, and how everything must end."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

FOREVER = 1_000_000
MOST_LOST = 1000  # more than any run loses; the setting allows no larger number


@dataclass(frozen=True, slots=True)
class Scenario:
    """A seed, and what is left out of it. A failure is replayed by it, and shrunk to it."""

    seed: int
    nodes: int = FOREVER  # only the first nodes of each workflow
    instances: int = FOREVER
    without: tuple[str, ...] = ()  # kinds of faults
    skip: tuple[str, ...] = ()  # single faults

    @classmethod
    def from_text(cls, text: str) -> Scenario:
        """Read a number, or what `str` returns."""
        data = json.loads(text)
        if isinstance(data, int):
            return cls(data)
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        return cls(**given)

    def __str__(self) -> str:
        plain = asdict(Scenario(self.seed))
        return json.dumps(
            {name: value for name, value in asdict(self).items() if value != plain[name] or name == "seed"}
        )


@dataclass(frozen=True, slots=True)
class Act:
    """A user does something to the `instance`-th instance, `after` a number of seconds."""

    instance: int
    after: float
    what: str  # cancel, pause, rerun
    nodes: tuple[int, ...] = ()
    seconds: float = 0.0  # how long it stays paused


@dataclass(slots=True)
class Drawn:
    """What was drawn for the seed. Times are in seconds."""

    workflows: list[dict[str, Any]]
    triggers: list[int]  # the workflow of each instance
    scheduling: str
    lease: float
    resend: float
    visibility: float
    max_receives: int
    max_lost: int
    hop: float
    function: float
    sweep: float
    workers: int
    slice: int
    limit: int
    faulty: float  # faults happen until then
    acts: list[Act]  # what users do meanwhile


def draw(scenario: Scenario) -> Drawn:
    rng = Random(f"{scenario.seed}/scenario")
    lease = rng.choice([2.0, 10.0, 30.0])
    drawn = Drawn(
        workflows=[],
        triggers=[],
        scheduling=rng.choice(["inline", "inline", "lambda"]),
        lease=lease,
        resend=rng.choice([2.0, 10.0, 30.0]),
        visibility=rng.choice([1.0, 30.0, 120.0]),
        max_receives=rng.choice([3, 10, FOREVER, FOREVER]),
        max_lost=rng.choice([2, 5, MOST_LOST, MOST_LOST]),
        hop=rng.choice([0.0, 10.0, 10.0]),
        function=rng.choice([60.0, 900.0]),
        sweep=rng.choice([1.0, 10.0, 60.0]),
        workers=rng.randint(1, 3),
        slice=rng.choice([1, 2, 500]),
        limit=rng.choice([1, 3, 200]),
        faulty=rng.choice([10.0, 60.0, 300.0]),
        acts=[],
    )
    dice = Random(f"{scenario.seed}/workflows")
    for number in range(dice.choice([1, 1, 2])):
        workflow = _workflow(dice, number, lease)
        _policies(Random(f"{scenario.seed}/policies/{number}"), workflow)
        if Random(f"{scenario.seed}/webhook/{number}").random() < 0.25:
            workflow["webhook"] = {"url": "http://simulated.example/hook"}
        del workflow["dag"]["nodes"][scenario.nodes :]
        drawn.workflows.append(workflow)
    drawn.triggers = [dice.randrange(len(drawn.workflows)) for _ in range(dice.choice([1, 1, 2, 3]))]
    del drawn.triggers[scenario.instances :]
    people = Random(f"{scenario.seed}/people")
    if people.random() < 0.4:
        drawn.acts = [_act(people, len(drawn.triggers)) for _ in range(people.randint(1, 4))]
    return drawn


def _policies(rng: Random, workflow: dict[str, Any]) -> None:
    """Two workflows in three have no policies."""
    if rng.random() < 0.67:
        return
    if rng.random() < 0.3:
        workflow["failure_policy"] = "fail_fast"
    if rng.random() < 0.2:
        workflow["timeout_seconds"] = rng.choice([5.0, 100.0, 5000.0])
    for node in workflow["dag"]["nodes"]:
        if rng.random() < 0.3:
            node["on_failure"] = "ignore"


def _act(rng: Random, instances: int) -> Act:
    return Act(
        instance=rng.randrange(instances),
        after=rng.choice([0.1, 1.0, 10.0, 100.0]) * rng.random(),
        what=rng.choice(["cancel", "pause", "pause", "rerun", "rerun"]),
        nodes=tuple(rng.sample(range(12), rng.choice([0, 1, 2]))),
        seconds=rng.choice([0.0, 1.0, 100.0]),
    )


def _workflow(rng: Random, number: int, lease: float) -> dict[str, Any]:
    """Draw up to 12 nodes, parents before their children, so that any first part is a workflow as well."""
    nodes: list[dict[str, Any]] = []
    shape = rng.choice(["any", "any", "chain", "fan"])
    for i in range(rng.choice([1, 2, 3, 5, 8, 12])):
        if shape == "chain":
            parents = [i - 1] if i else []
        elif shape == "fan":
            parents = [0] if i and (i < 8 or rng.random() < 0.7) else list(range(1, i))
        else:
            parents = rng.sample(range(i), min(i, rng.choice([0, 1, 1, 2, 3])))
        nodes.append(_node(rng, i, parents, lease))
    return {"name": f"simulated {number}", "dag": {"nodes": nodes}}


def _node(rng: Random, number: int, parents: list[int], lease: float) -> dict[str, Any]:
    handler = rng.choice(["work", "work", "work", "quick", "quick_noop"])
    node: dict[str, Any] = {
        "id": f"n{number}",
        "handler": "noop" if handler == "quick_noop" else handler,
        "dependencies": [f"n{parent}" for parent in parents],
    }
    if handler != "work":
        return node
    how = rng.choices(["well", "fails", "always", "fatal", "slow"], [70, 15, 5, 3, 7])[0]
    config: dict[str, Any] = {"seconds": rng.choice([0.0, 0.0, 0.01, 1.0, lease * 1.5])}
    attempts = rng.choice([1, 2, 3])
    if how == "fails":
        config["fails"] = rng.randint(1, 2)
        attempts = config["fails"] + rng.randint(1, 2)
    elif how == "always":
        config["fails"] = FOREVER
    elif how == "fatal":
        config["fatal"] = True
    elif how == "slow":
        config["seconds"], node["timeout_seconds"] = 20.0, 5.0
    if parents and rng.random() < 0.3:
        config["named"] = f"{{{{ n{rng.choice(parents)} }}}}"
    node["config"] = config
    backoff = rng.choice([0.0, 1.0, 100.0, 2000.0])
    node["retry_policy"] = {"max_attempts": attempts, "initial_backoff_seconds": backoff, "max_backoff_seconds": 3000}
    return node


def ends_as(node: dict[str, Any]) -> str:
    """Return how a node ends whose parents all completed, if nothing but its own handler goes wrong."""
    config = node.get("config", {})
    hopeless = config.get("fatal") or config.get("fails", 0) >= FOREVER or "timeout_seconds" in node
    return "FAILED" if hopeless else "COMPLETED"


def sums(workflow: dict[str, Any], status: dict[str, str]) -> dict[str, int | None]:
    """Return the result of each node: 1 plus the results of its parents, or None for noop and for nodes that failed."""
    found: dict[str, int | None] = {}
    for node in workflow["dag"]["nodes"]:
        total = 1 + sum(found[parent] or 0 for parent in node["dependencies"])
        nothing = node["handler"] == "noop" or status[node["id"]] != "C"
        found[node["id"]] = None if nothing else total
    return found
