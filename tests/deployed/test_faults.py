"""Faults of functions on AWS: processes that die, invocations that take too long, functions that cannot start."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest

from chalicelib.worker.worker import MARGIN_SECONDS
from local.functions.environment import Environment, FunctionError
from tests.deployed.deployment import Deployment
from tests.deployed.test_workflows import ended, node
from tests.deployed.web import web
from tests.support.harness import wait_until

FAST = {"LEASE_SECONDS": "1", "ALLOW_PRIVATE_ADDRESSES": "true"}


def call(url: str, **more: object) -> dict[str, object]:
    return {"name": "call", "dag": {"nodes": [node("a", "call_external_service", config={"url": url}, **more)]}}


def swept_to_its_end(service: Deployment, instance_id: str) -> dict[str, Any]:
    wait_until(lambda: service.sweep() and service.status(instance_id)["finished_at"], what="the end")
    return service.status(instance_id)


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "hangs until its time is over"])
def test_a_worker_that_is_lost_in_the_middle(fault: signal.Signals, service: Deployment) -> None:
    """Lambda starts another worker; the lease runs out, and the sweep sends the next attempt."""
    worker = service.functions["Worker"]
    lost: list[Environment] = []

    def lose(number: int) -> None:
        if number == 1:
            lost.extend(environment for environment in worker.environments if environment.busy)
            for environment in lost:  # more than one if a message of an earlier test is received again
                environment.process.send_signal(fault)

    with web(lose) as url, service.configured("Worker", timeout_seconds=2, **FAST):
        instance_id = service.submit(call(url))
        view = swept_to_its_end(service, instance_id)
        assert view["status"] == "COMPLETED" and view["nodes"]["a"]["attempt"] == 2
        assert service.results(instance_id)["output"]["a"]["body"] == {"call": 2}
        killed = -signal.SIGKILL
        wait_until(lambda: any(one.process.returncode == killed for one in lost), what="the end of what was lost")


def test_a_node_that_its_invocation_cuts_off_has_another_attempt(service: Deployment) -> None:
    """The timeout of the node is longer than the rest of the invocation, and the worker ends before Lambda ends it."""
    worker = service.functions["Worker"]
    go_on = threading.Event()
    with (
        web(lambda number: number == 1 and go_on.wait(20)) as url,
        service.configured("Worker", timeout_seconds=MARGIN_SECONDS + 1, **FAST),
    ):
        instance_id = service.submit(call(url, timeout_seconds=60))
        view = swept_to_its_end(service, instance_id)
        go_on.set()
        assert view["status"] == "COMPLETED" and view["nodes"]["a"]["attempt"] == 2
        assert all(environment.alive for environment in worker.environments), "Lambda ended none"


def test_messages_of_a_worker_that_cannot_start_come_by_the_dead_letters(service: Deployment) -> None:
    """A wrong setting fails each invocation; the queue gives up the message, and the node gets another attempt."""
    worker, dead_letters = service.functions["Worker"], service.functions["DeadLetters"]
    with service.impatient():
        by_message = service.configured("APIHandler", FIRST_HOP_SECONDS="0")
        with by_message, service.configured("Worker", REDIS_URL="http://not-a-store"):
            started = worker.started
            instance_id = service.submit({"name": "w", "dag": {"nodes": [node("a", "noop")]}})
            wait_until(lambda: dead_letters.started, what="a dead letter")
            assert worker.started - started >= 2
        view = ended(service, instance_id)
    assert view["status"] == "COMPLETED" and view["nodes"]["a"]["attempt"] == 2
    assert "REDIS_URL=***: the form redis" in service.log("Worker")
    assert "not-a-store" not in service.log("Worker"), "there could be a password in it"


def test_what_a_function_raises_is_an_answer_and_its_process_goes_on(service: Deployment) -> None:
    scheduler = service.functions["Scheduler"]
    with pytest.raises(FunctionError, match="KeyError"):
        scheduler({})
    before = scheduler.started
    assert scheduler({"instance_id": "in-00"}) == {"handled": 0}
    assert scheduler.started == before
