"""Seeds of the simulation in this process, for mutants: tests/simulation runs them in processes of their own."""

from __future__ import annotations

import logging

import pytest
import redis

from tests.simulation.scenario import Scenario
from tests.simulation.simulation import Simulation

SERVER: dict[str, str] = {}


def test_the_server_is_up(valkey_url: str) -> None:
    """The first of all: it starts the server that all mutants share."""
    SERVER["url"] = valkey_url


@pytest.mark.parametrize("first", range(1, 61, 20))
def test_twenty_seeds(valkey_url: str, first: int) -> None:
    logging.disable()
    try:
        with redis.Redis.from_url(valkey_url, db=15) as client:
            for seed in range(first, first + 20):
                assert Simulation(client, Scenario(seed)).run().error is None
    finally:
        logging.disable(logging.NOTSET)
