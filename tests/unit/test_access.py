"""Access to the API, and the permissions of each function, in the template that a deployment would use."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.web import access, openapi
from tests.support import packaging

STAGES = ("dev", "prod")
COMMON = {
    "Logs": {"logs:CreateLogStream", "logs:PutLogEvents"},
    "Redis": {"elasticache:Connect"},
    "NetworkInterfaces": {
        *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"),
    },
}
OWN = {
    "APIHandler": {
        *("sqs:SendMessage", "sqs:GetQueueAttributes", "lambda:InvokeFunction"),
        *("s3:GetObject", "s3:DeleteObject", "s3:ListBucket"),
    },
    "Worker": {
        *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:SendMessage"),
        *("ssm:GetParameters", "secretsmanager:GetSecretValue"),
        *("bedrock:InvokeModel", "lambda:InvokeFunction"),
        *("s3:PutObject", "s3:GetObject", "s3:ListBucket"),
    },
    "DeadLetters": {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:SendMessage"},
    "Scheduler": {"sqs:SendMessage", "s3:DeleteObject", "s3:ListBucket"},
    "Sweep": {"sqs:SendMessage", "s3:DeleteObject", "s3:ListBucket"},
}


@pytest.fixture(params=STAGES)
def template(request: pytest.FixtureRequest) -> dict[str, Any]:
    return packaging.template(request.param)


def operations(template: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"].items():
        for operation in methods.values():
            yield path, operation


def role(template: dict[str, Any], function: str) -> dict[str, Any]:
    name = template["Resources"][function]["Properties"]["Role"]["Fn::GetAtt"][0]
    properties: dict[str, Any] = template["Resources"][name]["Properties"]
    return properties


def policy(template: dict[str, Any], function: str) -> list[dict[str, Any]]:
    [document] = role(template, function)["Policies"]
    statements: list[dict[str, Any]] = document["PolicyDocument"]["Statement"]
    return statements


def common(template: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what every function may do, whatever the parameters are."""
    statements = template["Resources"]["CommonPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    return [statement["Fn::If"][1] if "Fn::If" in statement else statement for statement in statements]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize(("stage", "auth"), [("dev", "api_key"), ("prod", "iam"), ("any_other", "iam")])
def test_workflows_are_never_open_on_api_gateway(stage: str, auth: str) -> None:
    template = packaging.template(stage)
    definitions = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["securityDefinitions"]
    [(name, scheme)] = definitions.items()
    assert scheme["type"] == "apiKey"
    assert (name == "api_key") == (auth == "api_key")
    assert (scheme.get("x-amazon-apigateway-authtype") == "awsSigv4") == (auth == "iam")
    for path, operation in operations(template):
        closed = path.startswith(("/api/workflow", "/api/metrics"))
        assert operation.get("security") == ([{name: []}] if closed else None), path
    for function in OWN:  # the document at /api/openapi.json
        variables = template["Resources"][function]["Properties"]["Environment"]["Variables"]
        assert variables["API_AUTH"] == auth


def test_the_key_opens_this_api(template: dict[str, Any]) -> None:
    resources = template["Resources"]
    assert resources["UsagePlan"]["Properties"]["ApiStages"] == [
        {"ApiId": {"Ref": "RestAPI"}, "Stage": {"Ref": "RestAPI.Stage"}}
    ]
    assert resources["UsagePlanKey"]["Properties"]["KeyId"] == {"Ref": "ApiKey"}


@pytest.mark.parametrize("function", OWN)
def test_a_function_may_do_what_it_needs(template: dict[str, Any], function: str) -> None:
    actions = [action for statement in policy(template, function) for action in listed(statement["Action"])]
    assert set(actions) == OWN[function]
    assert role(template, function)["ManagedPolicyArns"] == [{"Ref": "CommonPolicy"}]
    assert {statement["Sid"]: set(listed(statement["Action"])) for statement in common(template)} == COMMON
    assert all(statement["Effect"] == "Allow" for statement in policy(template, function) + common(template))


def test_each_function_has_a_role_of_its_own(template: dict[str, Any]) -> None:
    functions = {
        name: str(resource["Properties"]["Role"])
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    assert set(functions) == set(OWN) and len(set(functions.values())) == len(OWN)


@pytest.mark.parametrize("function", OWN)
def test_no_policy_reaches_further_than_a_name(template: dict[str, Any], function: str) -> None:
    """AWS knows no narrower resource for network interfaces (Lambda Developer Guide, "VPC: required permissions")."""
    for statement in policy(template, function) + common(template):
        if statement["Sid"] == "NetworkInterfaces":
            assert statement["Resource"] == "*" and all(action.startswith("ec2:") for action in statement["Action"])
            continue
        for resource in listed(statement["Resource"]):
            name = listed(resource["Fn::Sub"])[0] if "Fn::Sub" in resource else resource["Fn::GetAtt"][0]
            # A star may only stand at the end, after the beginning of a name.
            assert "*" not in name.removesuffix("*"), name
            whole = (":*", "parameter/*", "secret:*", "function:*")
            assert not name.removesuffix(":log-stream:*").endswith(whole), name
        assert not any("*" in action for action in listed(statement["Action"]))


def test_only_the_worker_reads_secrets(template: dict[str, Any]) -> None:
    variables = template["Resources"]["Worker"]["Properties"]["Environment"]["Variables"]
    assert variables["SECRETS"] == "ssm" and variables["SECRETS_PREFIX"] == {"Fn::Sub": "/${AWS::StackName}/"}
    [parameters] = [s["Resource"]["Fn::Sub"] for s in policy(template, "Worker") if s["Sid"] == "Parameters"]
    assert parameters.endswith(":parameter/${AWS::StackName}/*")
    for function in set(OWN) - {"Worker"}:
        assert "SECRETS" not in template["Resources"][function]["Properties"]["Environment"]["Variables"]


@pytest.mark.parametrize("stage", STAGES)
def test_cloudformation_takes_it(stage: str, tmp_path: Path) -> None:
    path = tmp_path / "sam.yaml"
    path.write_text(packaging.text(stage), "utf-8")
    linter = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([linter, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("auth", ["none", "api_key", "iam"])
def test_the_docs_say_how_to_log_in(auth: access.ApiAuth) -> None:
    document = openapi.document({}, auth=auth)
    assert document["security"] == ([] if auth == "none" else [{auth: []}])
    assert set(document["components"]["securitySchemes"]) == ({auth} - {"none"})
    assert document["paths"]["/api/health"]["get"]["security"] == []
    assert "security" not in document["paths"]["/api/workflow"]["post"]
    assert (access.protected(auth) == access.OPEN) == (auth == "none")
