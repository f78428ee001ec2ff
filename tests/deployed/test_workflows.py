"""Whole workflows through the service as it is deployed: API Gateway, the five functions, SQS, Valkey."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import boto3
import pytest

from chalicelib import __version__
from tests.deployed.deployment import Deployment
from tests.support.harness import wait_until

LINE = {"line": "x" * 64}
POLICY = {"max_attempts": 2, "initial_backoff_seconds": 1}


def node(id: str, handler: str, *dependencies: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "handler": handler, "dependencies": list(dependencies), **more}


def layers() -> dict[str, Any]:
    """Return a workflow 1 -> 30 -> 1."""
    middle = [node(f"m{number}", "noop", "input") for number in range(30)]
    output = node("output", "output", *(each["id"] for each in middle), config={"value": "{{ input.x }}"})
    return {"name": "layers", "dag": {"nodes": [node("input", "input"), *middle, output]}}


def ended(service: Deployment, instance_id: str) -> dict[str, Any]:
    view: dict[str, Any] = wait_until(
        lambda: (view := service.status(instance_id))["finished_at"] and view, what=f"the end of {instance_id}"
    )
    return view


def test_a_workflow_from_submission_to_results(service: Deployment) -> None:
    """With the template's own settings, the scheduler function sends what a completion unblocked."""
    assert service.variables["Worker"]["SCHEDULING"] == "lambda"
    instance_id = service.submit(layers(), {"x": 7})
    view = ended(service, instance_id)
    assert view["status"] == "COMPLETED" and view["progress"]["completed"] == 32
    found = service.results(instance_id)
    assert found["output"] == 7 and len(found["results"]) == 32
    assert service.functions["Scheduler"].started >= 1
    assert {env.alive for env in service.functions["Scheduler"].environments} == {True}


def test_a_trigger_that_waits(service: Deployment) -> None:
    """The function of the API waits while those of scheduler and worker run the nodes."""
    execution_id = service.gateway.post("/api/workflow", layers()).json["execution_id"]
    path = f"/api/workflow/trigger/{execution_id}?wait=25"
    answer = service.gateway.post(path, {"params": {"x": 7}})
    assert answer.status == 200 and (answer.json["status"], answer.json["output"]) == ("COMPLETED", 7)


def test_a_large_result_is_in_the_bucket(service: Deployment) -> None:
    """One function puts it, another one reads it, and so does the API, below and above what Lambda can answer."""
    pages = [node("page", "output", "input", config={"value": ["{{ input.line }}"] * 100})]
    pages += [node("book", "output", "page", config={"value": ["{{ page }}"] * 100})]
    pages += [node("shelf", "output", "book", config={"value": ["{{ book }}"] * 10})]
    last = node("last", "output", "shelf", config={"value": "{{ shelf.9.99.99 }}"})
    instance_id = service.submit({"name": "large", "dag": {"nodes": [node("input", "input"), *pages, last]}}, LINE)
    assert ended(service, instance_id)["status"] == "COMPLETED"
    found = service.results(instance_id)
    assert found["output"]["last"] == LINE["line"] and len(found["results"]["book"]) == 100
    assert found["large"]["shelf"]["bytes"] > 6_291_556
    leads = service.gateway.get(found["large"]["shelf"]["href"].removeprefix("/dev"))
    assert leads.status == 303
    with urlopen(leads.headers["Location"]) as answer:
        content = answer.read()
    assert hashlib.sha256(content).hexdigest() == found["large"]["shelf"]["sha256"]
    assert service.gateway.request("DELETE", f"/api/workflows/{instance_id}").status == 204
    with pytest.raises(HTTPError, match="404"):
        urlopen(leads.headers["Location"])


def test_every_route_answers(service: Deployment) -> None:
    health = service.gateway.get("/api/health")
    assert health.status == 200 and health.json["versions"]["dag-service"] == __version__
    page = service.gateway.get("/api/docs")
    assert page.status == 200 and b"swagger-ui-bundle.min.js" in page.body
    asset = service.gateway.get("/api/docs/swagger-ui-bundle.min.js")
    assert asset.status == 200 and len(asset.body) > 1_000_000 and asset.headers["ETag"]
    again = service.gateway.get("/api/docs/swagger-ui-bundle.min.js", {"If-None-Match": asset.headers["ETag"]})
    assert again.status == 304
    document = service.gateway.get("/api/openapi.json").json
    assert document["openapi"] == "3.1.0"
    assert document["servers"][0]["url"] == "/dev", "below the stage"
    assert set(document["paths"]) == set(service.gateway.paths)


def test_errors_are_problems(service: Deployment) -> None:
    refused = service.gateway.post("/api/workflow", {"name": "w", "dag": {"nodes": [node("a", "nop", "b")]}})
    assert refused.status == 422 and refused.headers["Content-Type"] == "application/problem+json"
    assert {fault["pointer"] for fault in refused.json["errors"]} == {
        "/dag/nodes/0/handler",
        "/dag/nodes/0/dependencies/0",
    }
    assert service.gateway.get("/api/workflows/in-unknown").status == 404
    assert service.gateway.request("POST", "/api/workflow", body="{").status == 400


def test_the_location_of_what_was_made_is_below_the_stage(service: Deployment) -> None:
    submitted = service.gateway.post("/api/workflow", layers(), {"Idempotency-Key": "layers"})
    assert submitted.headers["Location"] == f"/dev/api/workflows/{submitted.json['execution_id']}"
    again = service.gateway.post("/api/workflow", layers(), {"Idempotency-Key": "layers"})
    assert again.json == submitted.json


def test_invoke_over_http_as_boto3_does_it(service: Deployment) -> None:
    """An asynchronous call gets 202 at once, and runs afterwards. A synchronous one gets the answer, or the failure."""
    client = boto3.client("lambda", endpoint_url=service.variables["Worker"]["AWS_ENDPOINT_URL_LAMBDA"])
    name = service.functions["Scheduler"].name
    answer = client.invoke(FunctionName=name, Payload=json.dumps({"instance_id": "in-00"}))
    assert answer["StatusCode"] == 200 and "FunctionError" not in answer
    assert json.load(answer["Payload"]) == {"handled": 0}
    failed = client.invoke(FunctionName=f"arn:aws:lambda:us-east-1:000000000000:function:{name}:live", Payload="{}")
    assert failed["FunctionError"] == "Unhandled" and json.load(failed["Payload"])["errorType"] == "KeyError"
    later = client.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps({"instance_id": "in-00"}))
    assert later["StatusCode"] == 202 and later["Payload"].read() == b""
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="nobody", Payload="{}")
    client.close()


def test_where_the_scheduler_is_not_reached_the_sweep_does_its_work(service: Deployment) -> None:
    nowhere: dict[str, Any] = {"AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:1"}
    by_message = service.configured("APIHandler", FIRST_HOP_SECONDS="0", **nowhere)
    with by_message, service.configured("Worker", **nowhere):
        instance_id = service.submit(layers(), {"x": 1})
        swept = wait_until(lambda: (swept := service.sweep())["nodes"] and swept, what="a sweep that sends")
        assert swept["failed"] == 0
        wait_until(lambda: service.sweep() and service.status(instance_id)["finished_at"], what="the end")
        assert service.status(instance_id)["status"] == "COMPLETED"
        assert "scheduler not invoked" in service.log("APIHandler")
