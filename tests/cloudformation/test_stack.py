"""The template, deployed by `python -m deploy` into LocalStack's CloudFormation: its resources, and that they work.

LocalStack does not support (docs/deploy.md): ElastiCache, so the store is a Valkey by RedisUrl; the dashboard, which
it accepts but does not make; IAM, which it records but does not enforce; a VPC, whose network it does not have; log
retention; the previous value of a parameter with NoEcho.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.processes import ROOT
from tests.cloudformation.cloud import Api, Cloud, running
from tests.support import packaging
from tests.support.harness import wait_until

pytestmark = pytest.mark.slow
STACK = "dag-service-dev"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, valkey_url: str) -> Iterator[Cloud]:
    with running(tmp_path_factory.mktemp("cloud")) as made:
        said = made.deploy("deploy", f"RedisUrl={valkey_url}", "AlarmEmail=somebody@example.com", "--tag", "team=x")
        assert "resources change" in said and "CREATE_COMPLETE        dag-service-dev" in said
        assert f"QueueURL                {made.outputs(STACK)['QueueURL']}" in said
        yield made


@pytest.fixture
def api(cloud: Cloud) -> Api:
    outputs = cloud.outputs(STACK)
    key = cloud.client("apigateway").get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]
    return Api(cloud, outputs["RestAPIId"], key)


def physical(cloud: Cloud) -> dict[str, str]:
    """Return the physical ids of the resources. LocalStack also lists resources whose condition is false."""
    resources = cloud.client("cloudformation").list_stack_resources(StackName=STACK)["StackResourceSummaries"]
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources if "PhysicalResourceId" in one}


def alarms(cloud: Cloud) -> list[dict[str, Any]]:
    return list(cloud.client("cloudwatch").describe_alarms(AlarmNamePrefix=STACK)["MetricAlarms"])


def test_everything_that_the_template_promises_is_there(cloud: Cloud) -> None:
    made = physical(cloud)
    promised = packaging.template("dev")["Resources"]
    conditional = {name for name, resource in promised.items() if "Condition" in resource} - {"AlarmTopic"}
    assert set(promised) - conditional - {"Dashboard"} <= set(made) and not conditional & set(made)

    sqs = cloud.client("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=made["Queue"], AttributeNames=["All"])["Attributes"]
    dead = sqs.get_queue_attributes(QueueUrl=made["DeadLetterQueue"], AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "5400" and attributes["SqsManagedSseEnabled"] == "true"
    redrive = json.loads(attributes["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == dead["QueueArn"] and int(redrive["maxReceiveCount"]) == 5

    functions = cloud.client("lambda")
    for name, most, queue in (("Worker", 10, attributes), ("DeadLetters", 2, dead)):
        [mapping] = functions.list_event_source_mappings(FunctionName=made[name])["EventSourceMappings"]
        assert mapping["EventSourceArn"] == queue["QueueArn"]
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["ScalingConfig"] == {"MaximumConcurrency": most}
    variables = functions.get_function_configuration(FunctionName=made["Worker"])["Environment"]["Variables"]
    assert variables["SCHEDULER_FUNCTION"] == made["Scheduler"] and variables["METRICS_SERVICE"] == STACK
    assert variables["VALUES_URL"] == f"s3://{made['Values']}"
    assert variables["REDIS_AUTH"] == "password" and variables["SECRETS_PREFIX"] == f"/{STACK}/"

    [group] = cloud.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{STACK}")["logGroups"]
    assert group["logGroupName"] == made["Logs"]
    [rule] = [r for r in cloud.client("events").list_rules()["Rules"] if r["Name"] == made["SweepSweepEvent"]]
    assert rule["ScheduleExpression"] == "rate(1 minute)" and rule["State"] == "ENABLED"
    assert len(alarms(cloud)) == 7 and all(alarm["AlarmActions"] == [made["AlarmTopic"]] for alarm in alarms(cloud))


@pytest.mark.parametrize("example", ["linear", "fan_out_fan_in"])
def test_a_workflow_runs_through_api_gateway_queue_and_functions(api: Api, example: str) -> None:
    document = json.loads((ROOT / f"examples/{example}.json").read_text("utf-8"))
    status, submitted = api.call("/workflow", document)
    assert status == 201
    status, triggered = api.call(f"/workflow/trigger/{submitted['execution_id']}", {})
    assert status == 202
    view = finished(api, triggered["instance_id"])
    assert view["status"] == "COMPLETED" and view["progress"]["completed"] == len(document["dag"]["nodes"])
    status, results = api.call(f"/workflows/{triggered['instance_id']}/results")
    assert status == 200 and results["output"]


def test_a_key_is_asked_for(cloud: Cloud) -> None:
    stranger = Api(cloud, cloud.outputs(STACK)["RestAPIId"], "not-the-key")
    assert stranger.call("/workflow", {})[0] == 403 and stranger.call("/health")[0] == 200


def test_the_functions_are_well(cloud: Cloud, api: Api) -> None:
    status, health = api.call("/health")
    assert status == 200 and health["store"] == health["queue"] == "ok"
    made = physical(cloud)
    event = dict.fromkeys(("version", "account", "region", "detail", "detail-type", "source", "time", "id"), "")
    answer = cloud.client("lambda").invoke(FunctionName=made["Sweep"], Payload=json.dumps(event | {"resources": []}))
    assert "FunctionError" not in answer and json.load(answer["Payload"])["failed"] == 0


def test_an_instance_in_flight_survives_an_update(cloud: Cloud, api: Api, valkey_url: str) -> None:
    retry = {"max_attempts": 2, "initial_backoff_seconds": 8, "max_backoff_seconds": 8}
    nodes: list[dict[str, Any]] = [
        {"id": "a", "handler": "noop"},
        # It fails at once, and its next attempt starts after the update.
        {"id": "b", "handler": "call_external_service", "dependencies": ["a"], "retry_policy": retry,
         "config": {"url": "http://name.invalid/"}},
    ]  # fmt: skip
    _, submitted = api.call("/workflow", {"name": "In flight", "dag": {"nodes": nodes}})
    _, triggered = api.call(f"/workflow/trigger/{submitted['execution_id']}", {})
    said = cloud.deploy("deploy", "LogLevel=WARNING", f"RedisUrl={valkey_url}")
    assert "UPDATE_COMPLETE        Worker" in said
    made = physical(cloud)
    functions = cloud.client("lambda")
    variables = functions.get_function_configuration(FunctionName=made["Worker"])["Environment"]["Variables"]
    assert variables["LOG_LEVEL"] == "WARNING"
    # A parameter keeps its value, so AlarmEmail need not be given again.
    assert len(alarms(cloud)) == 7 and all(alarm["AlarmActions"] == [made["AlarmTopic"]] for alarm in alarms(cloud))
    view = finished(api, triggered["instance_id"])
    assert view["status"] == "FAILED" and view["nodes"]["a"]["status"] == "COMPLETED"
    assert view["nodes"]["b"]["attempt"] == 2


def test_nothing_is_left_but_what_destroy_says(cloud: Cloud) -> None:
    left = {"Bucket": cloud.outputs(STACK)["ValuesBucket"], "Key": "3f/in-1/node/1-x.json", "Body": b"[]"}
    cloud.client("s3").put_object(**left)  # a large result
    said = cloud.deploy("destroy", "--yes")
    assert "dag-service-dev is gone" in said and "dag-service-artifacts-000000000000-us-east-1" in said
    assert not cloud.client("lambda").list_functions()["Functions"]
    assert "QueueUrls" not in cloud.client("sqs").list_queues()
    [bucket] = cloud.client("s3").list_buckets()["Buckets"]
    assert bucket["Name"] in said
    assert "there is no stack" in cloud.deploy("destroy", "--yes")


def finished(api: Api, instance_id: str) -> dict[str, Any]:
    def view() -> dict[str, Any] | None:
        status, found = api.call(f"/workflows/{instance_id}?wait=10")
        assert status == 200
        return found if found["finished_at"] else None

    found: dict[str, Any] = wait_until(view, seconds=90, what="the end of the instance")
    return found
