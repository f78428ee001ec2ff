"""The promises of the CloudFormation template, checked on the one that a deployment would use."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from chalicelib.metrics import catalogue
from local.processes import ROOT
from tests.support import packaging

STAGES = ("dev", "prod")
FUNCTIONS = ("APIHandler", "Worker", "DeadLetters", "Scheduler", "Sweep")
METRICS = {metric.name for metric in catalogue.METRICS}


@pytest.fixture(params=STAGES)
def resources(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {
        name: resource["Properties"] | {"Type": resource["Type"]}
        for name, resource in packaging.template(request.param)["Resources"].items()
    }


def test_a_message_is_hidden_for_as_long_as_aws_advises(resources: dict[str, Any]) -> None:
    """At least six times the function's timeout (AWS Lambda Developer Guide, "Using Lambda with Amazon SQS")."""
    for queue, function in (("Queue", "Worker"), ("DeadLetterQueue", "DeadLetters")):
        assert resources[queue]["VisibilityTimeout"] >= 6 * resources[function]["Timeout"]
        assert resources[queue]["SqsManagedSseEnabled"] is True
    redrive = resources["Queue"]["RedrivePolicy"]
    assert redrive == {"deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}, "maxReceiveCount": 5}


@pytest.mark.parametrize(
    ("function", "queue", "most"),
    [("Worker", "Queue", {"Ref": "WorkerConcurrency"}), ("DeadLetters", "DeadLetterQueue", 2)],
)
def test_a_mapping_answers_for_each_message(resources: dict[str, Any], function: str, queue: str, most: Any) -> None:
    mapping = resources[function]["Events"][f"{function}SqsEventSource"]["Properties"]
    assert mapping["Queue"] == {"Fn::Sub": f"${{{queue}.Arn}}"}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": most} and mapping["BatchSize"] == 10


@pytest.mark.parametrize("stage", STAGES)
def test_every_function_finds_queue_and_store(stage: str) -> None:
    template = packaging.template(stage)
    shared = template["Globals"]["Function"]
    assert shared["LoggingConfig"] == {"LogGroup": {"Ref": "Logs"}}
    variables = shared["Environment"]["Variables"]
    assert variables["QUEUE_URL"] == {"Ref": "Queue"} and variables["METRICS"] == "emf"
    assert variables["VALUES_URL"] == {"Fn::If": ["ReachesBucket", {"Fn::Sub": "s3://${Values}"}, ""]}
    for function in FUNCTIONS:
        own = template["Resources"][function]["Properties"]["Environment"]["Variables"]
        assert not set(own) & set(variables)
        assert ("SCHEDULER_FUNCTION" in own) == (function in ("APIHandler", "Worker"))


def test_only_functions_that_know_the_scheduler_function_invoke_it() -> None:
    """`Dispatch.unblocked` may invoke it; scheduler, sweep and dead letters send what they make ready themselves."""
    files = [*(ROOT / "chalicelib").rglob("*.py"), *(ROOT / "scheduler").glob("*.py")]
    callers = {path.parent.name for path in files if ".unblocked(ref" in path.read_text("utf-8")}
    assert callers == {"usecases", "worker"}


def test_large_results_are_private_and_do_not_stay_for_ever(resources: dict[str, Any]) -> None:
    bucket = resources["Values"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    [rule] = bucket["LifecycleConfiguration"]["Rules"]
    assert rule["Status"] == "Enabled" and rule["ExpirationInDays"] == {"Ref": "ValueDays"}
    [statement] = resources["ValuesPolicy"]["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_any_stage_has_the_sizes_of_prod() -> None:
    other, prod = packaging.template("any-other")["Resources"], packaging.template("prod")["Resources"]
    for function in FUNCTIONS:
        for size in ("Timeout", "MemorySize"):
            assert other[function]["Properties"][size] == prod[function]["Properties"][size]


def test_parameters_of_a_stage_are_those_of_the_template() -> None:
    config = json.loads((ROOT / ".chalice/config.json").read_text("utf-8"))
    for stage, settings in config["stages"].items():
        assert set(settings.get("parameters", {})) <= set(packaging.template(stage)["Parameters"])


def test_the_dashboard_shows_every_metric_and_no_widget_hides_another(resources: dict[str, Any]) -> None:
    body = resources["Dashboard"]["DashboardBody"]["Fn::Sub"]
    named = set(re.findall(r"\$\{(\w+)", body)) - {"AWS"}
    assert named <= set(resources)
    widgets = json.loads(re.sub(r"\$\{[\w.:]+\}", "x", body))["widgets"]
    titles = [widget["properties"]["title"] for widget in widgets]
    assert titles[:2] == ["Messages in the queue", "Age of the oldest message"]
    assert set(re.findall(r'\["dag-service", "(\w+)"', body) + re.findall(r'MetricName=\\"(\w+)\\"', body)) == METRICS
    taken: set[tuple[int, int]] = set()
    for widget in widgets:
        x, y, width, height = (widget[name] for name in ("x", "y", "width", "height"))
        cells = {(row, column) for row in range(y, y + height) for column in range(x, x + width)}
        assert x + width <= 24 and not cells & taken, widget["properties"]["title"]
        taken |= cells


def test_every_alarm_says_where_to_look_and_tells_who_asked_to_be_told(resources: dict[str, Any]) -> None:
    alarms = [resource for resource in resources.values() if resource["Type"] == "AWS::CloudWatch::Alarm"]
    assert len(alarms) == 8
    runbook = (ROOT / "docs/operate.md").read_text("utf-8")
    for alarm in alarms:
        sections = re.findall(r'docs/operate.md, "(.+)"', alarm["AlarmDescription"])
        assert sections or "dashboard" in alarm["AlarmDescription"]
        assert all(f"\n## {section}\n" in runbook for section in sections)
        assert alarm["AlarmActions"]["Fn::If"][:2] == ["HasAlarmEmail", [{"Ref": "AlarmTopic"}]]
    silent = [alarm for alarm in alarms if alarm["TreatMissingData"] == "breaching"]
    assert [alarm["MetricName"] for alarm in silent] == ["Invocations"]  # a sweep that does not run reports nothing
