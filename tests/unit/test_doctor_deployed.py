"""The doctor's calls to AWS, with moto; two calls that moto lacks are answered in AWS's form."""

from __future__ import annotations

import datetime
import functools
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from doctor import deployed, parts, stack
from doctor.findings import Finding, Level
from doctor.section import examine

NAME = "dag-service-test"
FUNCTIONS = ("APIHandler", "Worker", "DeadLetters", "Scheduler", "Sweep")

ALARM = {
    "AlarmName": f"{NAME} messages wait",
    "MetricName": "M",
    "Namespace": "N",
    "Threshold": 1,
    "ComparisonOperator": "GreaterThanThreshold",
    "EvaluationPeriods": 1,
    "Period": 60,
    "Statistic": "Sum",
}


def function(logical: str, timeout: int, redis_url: str) -> dict[str, Any]:
    properties = {
        "Code": {"ZipFile": "def handler(event, context): pass"},
        "Handler": "index.handler",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Runtime": "python3.11",
        "Timeout": timeout,
        "Environment": {"Variables": {"REDIS_URL": redis_url}},
    }
    return {"Type": "AWS::Lambda::Function", "Properties": properties}


def template(url: str, redis_url: str) -> str:
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    dead = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    queue = {"VisibilityTimeout": 5400, "RedrivePolicy": {"deadLetterTargetArn": dead, "maxReceiveCount": 5}}
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}},
        "DeadLetterQueue": {"Type": "AWS::SQS::Queue"},
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": queue},
        "SweepSchedule": {"Type": "AWS::Events::Rule", "Properties": {"ScheduleExpression": "rate(1 minute)"}},
    }
    resources |= {logical: function(logical, 900 if logical == "Worker" else 60, redis_url) for logical in FUNCTIONS}
    for logical, name in (("Worker", "Queue"), ("DeadLetters", "DeadLetterQueue")):
        properties = {
            "EventSourceArn": {"Fn::GetAtt": [name, "Arn"]},
            "FunctionName": {"Ref": logical},
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "ScalingConfig": {"MaximumConcurrency": 200},
        }
        resources[f"{logical}Source"] = {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}
    return json.dumps({"Resources": resources, "Outputs": {"EndpointURL": {"Value": url}}})


class Account(deployed.Account):
    """Gives the answers that moto cannot give, through botocore's event `before-call`."""

    @functools.cache  # noqa: B019  # as long-lived as the test session
    def client(self, service: str) -> Any:
        made = boto3.client(service, region_name="us-east-1")
        events, http = made.meta.events, SimpleNamespace(status_code=200)
        limits = {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 746}}
        events.register("before-call.lambda.GetAccountSettings", lambda **_: (http, limits))
        return made


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    """The server behind EndpointURL."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/test/api/health"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(b'{"status": "ok", "store": "ok", "queue": "ok", "load": "ok", "versions": {}}')

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/test/"
        server.shutdown()
        thread.join()


@pytest.fixture
def account(api: str, valkey_url: str) -> Iterator[Account]:
    with mock_aws(config={"core": {"passthrough": {"urls": [".*127.0.0.1.*"]}}}):
        boto3.client("cloudformation").create_stack(
            StackName=NAME, TemplateBody=template(api, valkey_url), Capabilities=["CAPABILITY_IAM"]
        )
        boto3.client("cloudwatch").put_metric_alarm(**ALARM)  # moto's CloudFormation makes none
        made = Account("test")
        for one in made.stack.of_type("AWS::Lambda::Function"):
            made.client("logs").create_log_group(logGroupName=f"/aws/lambda/{one.physical}")
            made.client("logs").put_retention_policy(logGroupName=f"/aws/lambda/{one.physical}", retentionInDays=90)
        yield made


def put(account: Account, namespace: str, metric: str, dimensions: dict[str, str], value: float) -> None:
    account.client("cloudwatch").put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": metric,
                "Dimensions": [{"Name": name, "Value": of} for name, of in dimensions.items()],
                "Timestamp": datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=90),
                "Value": value,
            }
        ],
    )


def bad(account: Account) -> dict[str, Finding]:
    return {found.check: found for found in examine(deployed.sections(account)) if found.level is not Level.OK}


def test_a_deployed_stack_that_is_well(account: Account) -> None:
    put(account, "AWS/Lambda", "Invocations", {"FunctionName": account.stack.physical("Sweep")}, 5)
    found = list(examine(deployed.sections(account)))
    assert [finding for finding in found if finding.level is not Level.OK] == []
    assert {"stack", "drift", "functions", "mapping of Worker", "redrive policy", "sweeps", "health"} <= {
        finding.check for finding in found
    }


def test_what_was_broken_is_found(account: Account) -> None:
    stack, lambdas, sqs = account.stack, account.client("lambda"), account.client("sqs")
    mapping = stack.physical("WorkerSource")
    for uuid in (mapping, stack.physical("DeadLettersSource")):  # if it were enabled, moto would look for Docker
        lambdas.update_event_source_mapping(UUID=uuid, Enabled=False)
    lambdas.put_function_concurrency(FunctionName=stack.physical("Scheduler"), ReservedConcurrentExecutions=0)
    sqs.set_queue_attributes(QueueUrl=stack.physical("Queue"), Attributes={"VisibilityTimeout": "30"})
    sqs.send_message(QueueUrl=stack.physical("DeadLetterQueue"), MessageBody="{}")
    account.client("events").disable_rule(Name=stack.of_type("AWS::Events::Rule")[0].physical)
    account.client("logs").delete_retention_policy(logGroupName=f"/aws/lambda/{stack.physical('Sweep')}")
    account.client("cloudwatch").set_alarm_state(
        AlarmName=f"{NAME} messages wait", StateValue="ALARM", StateReason="400 > 300"
    )
    put(account, "AWS/Lambda", "Throttles", {"FunctionName": stack.physical("Worker")}, 7)
    put(account, "AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": stack.physical("Queue").split("/")[-1]}, 400)
    put(account, "dag-service", "SweepLag", {"service": NAME}, 500_000)
    found = bad(account)
    assert found.keys() == {
        *(
            "mapping of Worker",
            "mapping of DeadLetters",
            "concurrency",
            "log retention",
            "visibility timeout",
            "oldest message",
            "dead letters",
        ),
        *("sweep schedule", "throttles", "sweeps", "sweep lag", "alarm"),
    }
    assert found["mapping of Worker"].level is found["sweeps"].level is found["alarm"].level is Level.BROKEN
    assert f"--uuid {mapping} --enabled" in found["mapping of Worker"].do
    assert "Worker: 7" in found["throttles"].says and "400 > 300" in found["alarm"].says


def test_without_a_stack_there_is_one_finding(account: Account) -> None:
    (found,) = bad(Account("elsewhere")).values()
    assert found.check == "stack" and "dag-service-elsewhere" in found.says and "make deploy" in found.do


def test_the_cache_of_the_stack() -> None:
    cache = stack.Resource(
        logical="Cache", physical=NAME, type="AWS::ElastiCache::ServerlessCache", status="CREATE_COMPLETE", reason=""
    )
    of = stack.StackFacts(name=NAME, status="", reason="", drift="", outputs={}, resources=(cache,))
    elasticache = boto3.client("elasticache", region_name="us-east-1")
    answer = {"ServerlessCaches": [{"ServerlessCacheName": NAME, "Status": "modifying"}]}
    with Stubber(elasticache) as stub:
        stub.add_response("describe_serverless_caches", answer, {"ServerlessCacheName": NAME})
        (found,) = parts.cache(parts.gather_caches(elasticache, of))
    assert found.level is Level.WARNING and f"{NAME} is modifying" in found.says
