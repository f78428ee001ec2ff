"""The OpenAPI document and the page that shows it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from chalice.test import Client
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import Field

import app as web
from chalicelib.handlers.api import Config, handler
from chalicelib.models.workflow import Trigger, Workflow
from chalicelib.web import docs, examples, openapi, parameters


class GreetConfig(Config):
    whom: str = Field(description="a name")


@handler("greet")
def greet(config: GreetConfig) -> str:
    """Say hello."""
    return f"hello {config.whom}"


@pytest.fixture
def document() -> dict[str, Any]:
    return openapi.document({"greet": greet})


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    application = SimpleNamespace(handlers={"greet": greet}, parts=[])
    monkeypatch.setattr("chalicelib.composition.application", lambda: application)
    with Client(web.app) as client:
        yield client


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_it_names_every_route_and_no_other(document: dict[str, Any]) -> None:
    documented = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    routes = {(path, method) for path, methods in web.app.routes.items() for method in methods}
    assert documented == routes


def test_path_parameters_are_those_of_the_routes(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        for operation in item.values():
            named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))


def test_query_parameters_are_those_that_are_taken(document: dict[str, Any]) -> None:
    """Parameters that the document lacks are refused, the others accepted. Those that may be repeated are lists."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            said = {each["name"]: each for each in operation.get("parameters", []) if each["in"] == "query"}
            assert set(said) == set(parameters.TAKEN.get((method.upper(), path), ()))
            repeated = {name for name, each in said.items() if each["schema"]["type"] == "array"}
            assert repeated == set(said) & set(parameters.REPEATED)
            assert {"403", "422"} <= operation["responses"].keys()


def test_operation_ids_are_unique_and_links_lead_to_them(document: dict[str, Any]) -> None:
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    answers = [answer for each in operations for answer in each["responses"].values()]
    links = [link for answer in answers for link in answer.get("links", {}).values()]
    assert links
    assert {link["operationId"] for link in links} <= set(ids)


def test_the_configs_of_the_handlers_are_in_it(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["GreetConfig"]["properties"]["whom"]["description"] == "a name"
    node = schemas["Node"]["properties"]
    assert "`greet`: `GreetConfig`. Say hello." in node["config"]["description"]
    assert node["config"]["type"] == "object"
    assert node["handler"]["enum"] == ["greet"]


def test_the_examples_are_valid() -> None:
    for example in examples.WORKFLOWS.values():
        Workflow.model_validate(example["value"])
    for example in examples.TRIGGERS.values():
        Trigger.model_validate(example["value"])


def test_the_document_over_http(client: Client) -> None:
    response = client.http.get("/api/openapi.json")
    assert response.headers["Content-Type"] == "application/json"
    assert response.json_body["servers"] == [{"url": "/"}]


@pytest.mark.parametrize(
    ("path", "server"),
    [
        ("/dev/api/openapi.json", "/dev"),
        ("/dev/api/openapi.json/", "/dev"),
        ("/elsewhere", "/"),
        ('/"><script>/api/openapi.json', "/"),
    ],
)
def test_under_a_stage(client: Client, path: str, server: str) -> None:
    event = {
        "requestContext": {"httpMethod": "GET", "resourcePath": "/api/openapi.json", "path": path},
        "headers": {},
        "pathParameters": None,
        "multiValueQueryStringParameters": None,
        "stageVariables": None,
        "body": None,
    }
    assert json.loads(web.app(event, None)["body"])["servers"] == [{"url": server}]


@pytest.mark.parametrize(("path", "base"), [("/api/docs", ""), ("/api/docs/", "../")])
def test_the_page_loads_its_own_files_only(client: Client, path: str, base: str) -> None:
    response = client.http.get(path)
    page = response.body.decode()
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "script-src 'self';" in response.headers["Content-Security-Policy"]
    loaded = re.findall(r'(?:src|rel="stylesheet" href)="([^"]+)"', page)
    names = ["swagger-ui.min.css", "swagger-ui-bundle.min.js", "init.js"]
    assert loaded == [f"{base}docs/{name}" for name in names]
    assert "<script>" not in page
    assert "http" not in page


@pytest.mark.parametrize("name", docs.CONTENT_TYPES)
def test_files_of_the_page(client: Client, name: str) -> None:
    response = client.http.get(f"/api/docs/{name}")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == docs.CONTENT_TYPES[name]
    assert "max-age" in response.headers["Cache-Control"]
    assert len(response.body) > 100
    etag = response.headers["ETag"]
    for given in (etag, f'"x", {etag.removeprefix("W/")}', "*"):
        again = client.http.get(f"/api/docs/{name}", headers={"If-None-Match": given})
        assert (again.status_code, again.body) == (304, b"")
    assert client.http.get(f"/api/docs/{name}", headers={"If-None-Match": '"x"'}).status_code == 200


def test_it_is_swagger_ui_5() -> None:
    assert re.search(r'version:"5\.\d+\.\d+"|"5\.\d+\.\d+"', docs.asset("swagger-ui-bundle.min.js").text)


@pytest.mark.parametrize("name", ["x.js", "..", "%2e%2e", "oauth2.py", "html.py"])
def test_no_other_file_is_served(client: Client, name: str) -> None:
    assert client.http.get(f"/api/docs/{name}").status_code == 404


def test_the_package_is_found_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "aws_lambda_powertools", raising=False)
    docs._asset.cache_clear()
    docs.asset("swagger-ui.min.css")
    assert "aws_lambda_powertools" not in sys.modules
