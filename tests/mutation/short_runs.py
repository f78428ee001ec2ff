"""The tests that run last: some seeds of the simulation, in this process, and some examples of the store's model."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import redis
from hypothesis.stateful import run_state_machine_as_test

from tests.contract.test_model import Transitions, bounded, machine
from tests.simulation.scenario import Scenario
from tests.simulation.simulation import Simulation

__all__ = ["machine"]
SERVER: dict[str, str] = {}
# Its own test has 200, which most mutants do not need.
EXAMPLES = 60


def test_the_server_is_up(valkey_url: str, cluster_urls: str) -> None:
    """This test runs first, and starts the servers that all mutants share."""
    SERVER["url"] = valkey_url


def test_examples_of_the_model(machine: Callable[..., type[Transitions]]) -> None:
    run_state_machine_as_test(machine(), settings=bounded(EXAMPLES))


@pytest.mark.parametrize("first", range(1, 61, 20))
def test_twenty_seeds(valkey_url: str, first: int) -> None:
    logging.disable()
    try:
        with redis.Redis.from_url(valkey_url, db=15) as client:
            for seed in range(first, first + 20):
                assert Simulation(client, Scenario(seed)).run().error is None
    finally:
        logging.disable(logging.NOTSET)
