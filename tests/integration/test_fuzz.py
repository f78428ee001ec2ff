"""Schemathesis tests the whole service over HTTP: for any input, the answer is one that the OpenAPI document has.

The server, the store (Valkey), the scheduler, the workers and the sweep are the real ones; the queue is in memory.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import app as web
from chalicelib.queues.memory import MemoryQueue
from chalicelib.web.examples import FORECAST_REQUESTS, WORKFLOWS
from local import server as local_server
from tests.support.harness import Workers, application

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Derandomized, so that a failure is the same everywhere, and each run takes the same time.
BOUNDED: dict[str, Any] = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}
OPERATIONS = ["submitWorkflow", "triggerWorkflow", "getStatus", "getResults"]
OPERATIONS += ["listWorkflows", "getWorkflow", "deleteWorkflow", "listInstances", "deleteInstance", "getHistory"]
OPERATIONS += ["getMetrics", "cancelInstance", "pauseInstance", "resumeInstance", "rerunInstance"]
OPERATIONS += ["getPage", "getPageAsset", "getResult"]
OPERATIONS += ["planWorkflow", "planStored", "getHealth", "getOpenApi", "getDocs", "getDocsAsset"]


@pytest.fixture(scope="module")
def service_url(valkey_url: str) -> Iterator[str]:
    queue = MemoryQueue()
    engine = application(valkey_url, queue, metrics="prometheus")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chalicelib.composition.application", lambda: engine)
        patch.setattr(web.app, "__class__", web.app.__class__)  # creating the server changes it
        server = local_server.create(web.app, "127.0.0.1", 0, max_body_bytes=engine.settings.max_body_bytes).server
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        with Workers(engine, queue, workers=2):
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture(scope="module")
def schema(service_url: str) -> Any:
    answer = requests.get(f"{service_url}/api/openapi.json", timeout=10)
    loaded = schemathesis.openapi.from_dict(answer.json())
    loaded.config.update(base_url=service_url)
    return loaded


def test_no_operation_is_left_out(schema: Any) -> None:
    assert {found.ok().definition.raw["operationId"] for found in schema.get_all_operations()} == set(OPERATIONS)


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_one_operation(schema: Any, operation_id: str, mode: GenerationMode) -> None:
    operation = schema.find_operation_by_id(operation_id)
    # The document allows any text as a path parameter, so none of them is invalid.
    fallible = operation.query.items or operation.headers.items or operation.body.items
    if mode is GenerationMode.NEGATIVE and not fallible:
        return

    @settings(max_examples=50, **BOUNDED)
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        # Bounded, because a fuzzer that finds `wait=25` should not wait that long.
        if isinstance(wait := (case.query or {}).get("wait"), int | float) and wait > 0.1:
            case.query["wait"] = 0.1
        case.call_and_validate(checks=CHECKS)

    check()


def test_following_the_links(schema: Any) -> None:
    """Submit, trigger, status and results each use the ids from the answer before."""

    seen: Counter[tuple[str, int]] = Counter()
    linked = schema.include(operation_id=["submitWorkflow", "triggerWorkflow", "getStatus", "getResults"])

    class Machine(linked.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            if case.query:
                case.query.pop("wait", None)
            return {}

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            seen[case.operation.definition.raw["operationId"], response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

    Machine.run(settings=settings(max_examples=80, stateful_step_count=8, **BOUNDED))
    # Links start only from successful answers, so each operation succeeded with an id from another one's answer.
    for reached in [("submitWorkflow", 201), ("triggerWorkflow", 202), ("getStatus", 200), ("getResults", 200)]:
        assert seen[reached], (reached, seen)


def test_the_examples_of_the_document_are_accepted(service_url: str) -> None:
    for example in WORKFLOWS.values():
        submitted = requests.post(f"{service_url}/api/workflow", json=example["value"], timeout=10)
        assert submitted.status_code == 201, submitted.text
        execution_id = submitted.json()["execution_id"]
        url = f"{service_url}/api/workflow/trigger/{execution_id}"
        triggered = requests.post(url, json={"params": {"user_id": 42}}, timeout=10)
        assert triggered.status_code == 202, triggered.text
        assert requests.get(service_url + submitted.headers["Location"], timeout=10).status_code == 200
        stored = requests.get(f"{service_url}/api/workflow/{execution_id}/plan?workers=3", timeout=10)
        assert stored.json()["makespan"]["workers"] == 3
    for example in FORECAST_REQUESTS.values():
        forecast = requests.post(f"{service_url}/api/workflow/plan", json=example["value"], timeout=10)
        assert forecast.json()["usage"]["transitions"] >= 1, forecast.text


def test_the_smallest_example_gives_its_params_back(service_url: str) -> None:
    submitted = requests.post(f"{service_url}/api/workflow", json=WORKFLOWS["smallest"]["value"], timeout=10).json()
    url = f"{service_url}/api/workflow/trigger/{submitted['execution_id']}"
    triggered = requests.post(url, json={"params": {"user_id": 42}}, timeout=10)
    status = requests.get(f"{service_url}{triggered.headers['Location']}?wait=10", timeout=20).json()
    assert status["status"] == "COMPLETED"
    results = requests.get(f"{service_url}/api/workflows/{triggered.json()['instance_id']}/results", timeout=10).json()
    assert "42" in str(results["output"])
