"""`python -m deploy`: its decisions, and its calls to AWS (with moto; tests/cloudformation deploys into LocalStack)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from deploy import deployment
from deploy.bucket import Bucket
from deploy.cloudformation import CloudFormationStack
from deploy.deployment import NotDeployed
from local.processes import ROOT
from tests.support import packaging

REGION, ACCOUNT = "eu-west-1", "123456789012"
ONE = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 30}}}}


@pytest.fixture
def aws() -> Iterator[Any]:
    with mock_aws():
        yield boto3.session.Session(region_name=REGION)


@pytest.fixture
def bucket(aws: Any) -> Bucket:
    made = Bucket(aws.client("s3"), account=ACCOUNT, region=REGION)
    assert made.ensure()
    return made


# decisions


def test_a_stage_is_a_name() -> None:
    assert deployment.stack_name("prod") == "dag-service-prod"
    for bad in ("", "Prod", "a_b", "1", "a" * 21):
        with pytest.raises(NotDeployed, match="no name for a stage"):
            deployment.stack_name(bad)


def test_what_is_given_goes_before_the_stage_before_what_the_stack_has() -> None:
    template: dict[str, Any] = {"Parameters": {"A": {}, "B": {}, "C": {}, "D": {}}}
    chosen = deployment.parameters(
        template, {"A": "stage", "B": "stage"}, {"A": "given"}, existing={"B", "C", "Removed"}
    )
    assert chosen == [
        {"ParameterKey": "A", "ParameterValue": "given"},
        {"ParameterKey": "B", "ParameterValue": "stage"},
        {"ParameterKey": "C", "UsePreviousValue": True},
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [({"Colour": "red"}, "no parameter Colour.*VpcId"), ({"VpcId": "vpc-1"}, "VpcId needs SubnetIds")],
)
def test_parameters_that_cannot_be_are_said_before_anything_is_done(given: dict[str, str], says: str) -> None:
    with pytest.raises(NotDeployed, match=says):
        deployment.parameters(packaging.template("dev"), {}, given, existing=())


def test_the_functions_code_is_where_it_was_uploaded() -> None:
    before = packaging.template("dev")
    after = deployment.located(before, "b", "k.zip")
    uris = [r["Properties"]["CodeUri"] for r in after["Resources"].values() if "CodeUri" in r["Properties"]]
    assert uris == [{"Bucket": "b", "Key": "k.zip"}] * 5
    assert before["Resources"]["Worker"]["Properties"]["CodeUri"] == "./deployment.zip"


def test_what_holds_instances_is_not_replaced_unasked() -> None:
    def change(name: str, action: str, **more: str) -> dict[str, str]:
        return {"LogicalResourceId": name, "Action": action, **more}

    harmless = [change("Cache", "Modify", Replacement="False"), change("Worker", "Modify", Replacement="True")]
    assert deployment.state_at_risk([*harmless, change("Queue", "Add")]) == []
    assert deployment.state_at_risk(
        [change("Cache", "Modify", Replacement="Conditional"), change("Queue", "Remove")]
    ) == [
        "Cache",
        "Queue",
    ]
    assert set(packaging.template("dev")["Resources"]) >= deployment.STATE


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (["deploy", "--stage", "Dev"], {}, "`Dev` is no name for a stage"),
        (["deploy"], {}, "which region?"),
        (["destroy"], {"AWS_REGION": REGION}, "AWS says: Unable to locate credentials"),
        (["deploy", "Colour"], {"AWS_REGION": REGION}, "Name=Value is wanted, not Colour"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(arguments: list[str], environment: dict[str, str], says: str) -> None:
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "HOME": "/dev/null"}
    done = subprocess.run(
        [sys.executable, "-m", "deploy", *arguments],
        cwd=ROOT,
        env=nowhere | environment | {"AWS_SHARED_CREDENTIALS_FILE": "/dev/null"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stderr.startswith(f"not done: {says}") and done.stderr.count("\n") == 1


# calls to AWS


def test_the_bucket_is_private_and_made_once(aws: Any, bucket: Bucket) -> None:
    assert bucket.name == f"dag-service-artifacts-{ACCOUNT}-{REGION}"
    assert not bucket.ensure()
    s3 = aws.client("s3")
    block = s3.get_public_access_block(Bucket=bucket.name)["PublicAccessBlockConfiguration"]
    assert len(block) == 4 and all(block.values())
    assert s3.get_bucket_encryption(Bucket=bucket.name)["ServerSideEncryptionConfiguration"]["Rules"]


def test_a_file_is_uploaded_once(aws: Any, bucket: Bucket, tmp_path: Path) -> None:
    path = tmp_path / "code.zip"
    path.write_bytes(b"one")
    key = bucket.upload(path)
    s3 = aws.client("s3")
    modified = s3.head_object(Bucket=bucket.name, Key=key)["LastModified"]
    assert bucket.upload(path) == key and key.endswith(".zip")
    assert s3.head_object(Bucket=bucket.name, Key=key)["LastModified"] == modified
    path.write_bytes(b"two")
    assert bucket.upload(path) != key
    assert bucket.url(key) == f"https://s3.{REGION}.amazonaws.com/{bucket.name}/{key}"


def test_a_stack_is_made_changed_and_deleted(aws: Any, bucket: Bucket, tmp_path: Path) -> None:
    lines: list[str] = []
    cloudformation = aws.client("cloudformation")
    stack = CloudFormationStack(cloudformation, "dag-service-dev", say=lines.append, seconds=0)

    def deploy(seconds: int) -> None:
        template = json.loads(json.dumps(ONE).replace("30", str(seconds)))
        path = tmp_path / "template.json"
        path.write_text(json.dumps(template))
        change_set = stack.propose(bucket.url(bucket.upload(path)), [], {"stage": "dev"})
        assert change_set is not None and [c["LogicalResourceId"] for c in change_set.changes or []] == ["Queue"]
        stack.execute(change_set)
        made = cloudformation.describe_stack_resource(StackName=stack.name, LogicalResourceId="Queue")
        url = made["StackResourceDetail"]["PhysicalResourceId"]
        attributes = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert attributes["VisibilityTimeout"] == str(seconds)

    assert stack.describe() is None and not stack.delete()
    deploy(30)
    deploy(60)
    described = cloudformation.describe_stacks(StackName=stack.name)["Stacks"][0]
    assert {"Key": "stage", "Value": "dev"} in described["Tags"]
    assert stack.delete() and stack.describe() is None
    assert any("CREATE_COMPLETE" in line for line in lines) and any("DELETE_COMPLETE" in line for line in lines)


# failures: CloudFormation's answers, as in its API reference


class Failing:
    """A stack whose update fails: two events, of which one is only a consequence."""

    def __init__(self, status: str = "UPDATE_ROLLBACK_COMPLETE", change_set: dict[str, Any] | None = None) -> None:
        self.status = status
        self.executed = self.withdrawn = False
        self._change_set = change_set or {"Status": "CREATE_COMPLETE", "Changes": []}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        return {"Stacks": [{"StackId": "id", "StackStatus": self.status if self.executed else "CREATE_COMPLETE"}]}

    def describe_stack_events(self, StackName: str) -> dict[str, Any]:
        def event(number: int, name: str, status: str, reason: str) -> dict[str, Any]:
            return {
                "EventId": str(number),
                "Timestamp": datetime(2026, 11, 24, 12, number, tzinfo=UTC),
                "LogicalResourceId": name,
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
            }

        decreases = "decreases account's UnreservedConcurrentExecution below its minimum value of [10]"
        after = [
            event(3, "Sweep", "UPDATE_FAILED", "Resource update cancelled"),
            event(2, "Worker", "UPDATE_FAILED", f"Specified ReservedConcurrentExecutions {decreases}"),
        ]
        return {"StackEvents": (after if self.executed else []) + [event(1, "Worker", "CREATE_FAILED", "long ago")]}

    def create_change_set(self, **arguments: Any) -> dict[str, str]:
        assert "OnStackFailure" not in arguments
        return {"Id": "c", "StackId": "id"}

    def describe_change_set(self, **arguments: Any) -> dict[str, Any]:
        return self._change_set

    def delete_change_set(self, ChangeSetName: str) -> None:
        self.withdrawn = True

    def execute_change_set(self, ChangeSetName: str) -> None:
        self.executed = True


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_COMPLETE", "DELETE_COMPLETE"])
def test_a_failure_names_the_resource_the_reason_and_the_remedy(status: str) -> None:
    stack = CloudFormationStack(Failing(status), "dag-service-dev", say=lambda line: None, seconds=0)
    change_set = stack.propose("https://template", [], {})
    assert change_set is not None
    with pytest.raises(NotDeployed) as caught:
        stack.execute(change_set)
    said = str(caught.value)
    assert status in said and "Worker: Specified ReservedConcurrentExecutions" in said
    assert "ReserveConcurrency=no" in said and "cancelled" not in said and "long ago" not in said


def test_nothing_to_change_is_no_failure() -> None:
    client = Failing(
        change_set={"Status": "FAILED", "StatusReason": "The submitted information didn't contain changes."}
    )
    assert CloudFormationStack(client, "s", say=print, seconds=0).propose("https://template", [], {}) is None
    assert client.withdrawn


def test_a_template_that_is_refused_is_explained() -> None:
    client = Failing(change_set={"Status": "FAILED", "StatusReason": "Transform failed: no such property"})
    with pytest.raises(NotDeployed, match="no such property"):
        CloudFormationStack(client, "s", say=print, seconds=0).propose("https://template", [], {})


@pytest.mark.parametrize(("status", "says"), [("ROLLBACK_COMPLETE", "destroy"), ("UPDATE_IN_PROGRESS", "somebody")])
def test_a_stack_that_cannot_be_changed_is_left_alone(status: str, says: str) -> None:
    client = Failing(status)
    client.executed = True
    with pytest.raises(NotDeployed, match=says):
        CloudFormationStack(client, "s", say=print, seconds=0).propose("https://template", [], {})
