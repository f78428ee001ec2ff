"""The packaged app, and a deployment of it that tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deployed import deployment
from tests.deployed.deployment import Deployment, Packaged


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Packaged:
    """Run the real `chalice package`: dependencies are downloaded, or taken from chalice's cache."""
    return deployment.packaged(tmp_path_factory.mktemp("packaged"))


@pytest.fixture(scope="session")
def service(
    made: Packaged, valkey_url: str, localstack_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    directory = tmp_path_factory.mktemp("functions")
    with deployment.deployed(made, directory, redis_url=valkey_url, endpoint_url=localstack_url) as service:
        yield service
