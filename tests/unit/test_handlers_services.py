"""`call_llm_service`, `invoke_lambda`, and the search for handlers."""

from __future__ import annotations

import gzip
import io
import json
import logging
import sys
import threading
import types
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from pydantic import ValidationError

from chalicelib.errors import DoNotRetry
from chalicelib.handlers import Config, Context, handler
from chalicelib.handlers.egress import HttpClient
from chalicelib.handlers.failures import CallFailed
from chalicelib.handlers.invoke import FunctionFailed, InvokeLambda, invoke_handler
from chalicelib.handlers.llm import LlmCall, LlmSettings, ModelUnavailable, llm_handler
from chalicelib.handlers.registry import BadHandlers, registry
from chalicelib.settings import Settings
from tests.support.calls import head, ok
from tests.support.scripted import scripted

CONTEXT = Context(
    instance_id="i",
    execution_id="e",
    node_id="n",
    attempt=1,
    params={},
    results={},
    time_left=lambda: 5.0,
    logger=logging.getLogger(),
)


class Model(BaseHTTPRequestHandler):
    """An OpenAI-compatible service, in which the model's name says what goes wrong."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = int(request["model"]) if request["model"].isdigit() else 200
        said = f"{request['messages'][-1]['content']} for {self.headers['Authorization']} at {self.path}"
        answer: Any = {
            "model": request["model"],
            "choices": [{"message": {"content": said}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4},
        }
        data = json.dumps({"error": self.headers["Authorization"]} if status != 200 else answer).encode()
        if request["model"] == "rubbish":
            data = b"<html>"
        if self.headers["Content-Type"] != "application/json":
            status, data = 415, b"this is no JSON"
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def ask(config: dict[str, Any], bedrock: Any = None, **settings: str) -> Any:
    client = HttpClient(allow_private=True, max_response_bytes=10_000)
    given = {"base_url": "", "api_key": "", "model": "", "bedrock_model_id": ""} | settings
    api_key = given.pop("api_key")
    try:
        model = LlmSettings(api_key=lambda: api_key, **given)
        return llm_handler(lambda: client, lambda: bedrock, model)(LlmCall.model_validate(config), CONTEXT)
    finally:
        client.close()


def test_openai_compatible(base: str) -> None:
    answer = ask({"prompt": "hello", "system": "be brief"}, base_url=base, api_key="sk-1", model="m")
    assert answer == {
        "text": "hello for Bearer sk-1 at /v1/chat/completions",
        "model": "m",
        "usage": {"input_tokens": 3, "output_tokens": 4},
        "stop_reason": "stop",
    }


@pytest.mark.parametrize(
    ("model", "error"), [("429", ModelUnavailable), ("500", ModelUnavailable), ("401", DoNotRetry)]
)
def test_the_services_errors_never_show_the_key(base: str, model: str, error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        ask({"prompt": "x", "model": model}, base_url=base, api_key="sk-secret")
    assert str(raised.value) == f'the model service answered {model}: {{"error": "Bearer ***"}}'


def test_an_error_quotes_no_more_than_the_beginning_of_the_services_answer() -> None:
    with scripted(ok("x" * 301, status="400 Bad Request")) as script, pytest.raises(DoNotRetry) as raised:
        ask({"prompt": "x"}, base_url=script.url, model="m")
    assert str(raised.value) == f"the model service answered 400: {'x' * 300}"


def test_the_services_redirects_are_not_followed(base: str) -> None:
    moved = ok("", f"Location: {base}/chat/completions", status="307 Temporary Redirect")
    with scripted(moved) as script, pytest.raises(DoNotRetry, match="answered 307"):
        ask({"prompt": "x"}, base_url=script.url, api_key="sk-secret", model="m")


def test_rubbish_from_the_service(base: str) -> None:
    with pytest.raises(ModelUnavailable, match="not a chat completion"):
        ask({"prompt": "x", "model": "rubbish"}, base_url=base)


def test_answers_of_a_model_that_cannot_be_stored() -> None:
    """An emoji was cut in two by max_tokens; another one is only in a field that is not kept."""

    def said(content: str, more: str = "null") -> bytes:
        return ok(f'{{"choices": [{{"message": {{"content": {content}}}, "logprobs": {more}}}]}}')

    with scripted(said('"a \\ud83d"'), said("NaN"), said('"a"', "-Infinity"), ok("[]"), ok("[" * 5000)) as script:
        for _ in range(2):
            with pytest.raises(ModelUnavailable, match="cannot be stored"):
                ask({"prompt": "x"}, base_url=script.url, model="m")
        assert ask({"prompt": "x"}, base_url=script.url, model="m")["text"] == "a"
        for _ in range(2):
            with pytest.raises(ModelUnavailable, match="not a chat completion"):
                ask({"prompt": "x"}, base_url=script.url, model="m")


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_half_of_a_models_answer_is_none(coding: str, compress: Callable[[bytes], bytes]) -> None:
    whole = compress(b'{"choices": [{"message": {"content": "a"}}]}')
    half, late = (ok(data, f"Content-Encoding: {coding}") for data in (whole[:-5], whole))
    with scripted(half, head(status="103 Early Hints") + late) as script:
        with pytest.raises(CallFailed, match="broken"):
            ask({"prompt": "x"}, base_url=script.url, model="m")
        assert ask({"prompt": "x"}, base_url=script.url, model="m")["text"] == "a"


def test_nothing_configured_says_what_to_set(base: str) -> None:
    with pytest.raises(DoNotRetry, match=r"LLM_BASE_URL.*BEDROCK_MODEL_ID"):
        ask({"prompt": "x"})
    with pytest.raises(DoNotRetry, match="LLM_MODEL"):
        ask({"prompt": "x"}, base_url=base)
    with pytest.raises(ValidationError, match="either"):
        ask({})


def test_a_conversation_has_a_limit() -> None:
    turn = {"role": "user", "content": "q"}
    assert len(LlmCall.model_validate({"messages": [turn] * 1000}).turns()) == 1000
    with pytest.raises(ValidationError, match="has 1,001 messages; at most 1,000 are sent"):
        LlmCall.model_validate({"messages": [turn] * 1001})


class Bedrock:
    def __init__(self, code: str = "") -> None:
        self.code = code
        self.requests: list[dict[str, Any]] = []

    def converse(self, **request: Any) -> Any:
        self.requests.append(request)
        if self.code:
            raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "Converse")
        return {
            "output": {"message": {"content": [{"text": "a"}, {"text": "b"}]}},
            "usage": {"inputTokens": 1, "outputTokens": 2},
            "stopReason": "end_turn",
        }


def test_bedrock() -> None:
    bedrock = Bedrock()
    config = {"messages": [{"role": "user", "content": "q"}], "system": "s", "max_tokens": 5, "temperature": 0}
    answer = ask(config, bedrock, bedrock_model_id="b")
    assert answer["text"] == "ab" and answer["usage"] == {"input_tokens": 1, "output_tokens": 2}
    assert bedrock.requests == [
        {
            "modelId": "b",
            "messages": [{"role": "user", "content": [{"text": "q"}]}],
            "system": [{"text": "s"}],
            "inferenceConfig": {"maxTokens": 5, "temperature": 0.0},
        }
    ]
    with pytest.raises(ModelUnavailable):
        ask(config, Bedrock("ThrottlingException"), bedrock_model_id="b")
    with pytest.raises(DoNotRetry):
        ask(config, Bedrock("AccessDeniedException"), bedrock_model_id="b")


class Lambda:
    def __init__(self, payload: bytes = b"", error: str = "", code: str = "") -> None:
        self.payload, self.error, self.code = payload, error, code
        self.requests: list[dict[str, Any]] = []

    def invoke(self, **request: Any) -> Any:
        self.requests.append(request)
        if self.code:
            raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "Invoke")
        return {"Payload": io.BytesIO(self.payload)} | ({"FunctionError": self.error} if self.error else {})


def invoke(client: Lambda, **config: Any) -> Any:
    return invoke_handler(lambda: client)(InvokeLambda(function_name="f", **config))


def test_invoke_lambda() -> None:
    client = Lambda(b'{"a":1}')
    assert invoke(client, payload={"x": "é"}, qualifier="live") == {"a": 1}
    [request] = client.requests
    assert json.loads(request.pop("Payload")) == {"x": "é"}
    assert request == {"FunctionName": "f", "InvocationType": "RequestResponse", "Qualifier": "live"}
    assert invoke(plain := Lambda(b"")) is None
    assert plain.requests == [{"FunctionName": "f", "InvocationType": "RequestResponse", "Payload": b"{}"}]
    failing = Lambda(b'{"errorType":"KeyError","errorMessage":"x"}', error="Unhandled")
    with pytest.raises(FunctionFailed, match="KeyError: x"):
        invoke(failing)
    with pytest.raises(FunctionFailed):
        invoke(Lambda(code="TooManyRequestsException"))
    with pytest.raises(DoNotRetry):
        invoke(Lambda(code="ResourceNotFoundException"))
    with pytest.raises(FunctionFailed, match="not JSON"):
        invoke(Lambda(b"<html>"))


@pytest.mark.parametrize("payload", [b"NaN", b'{"a": [-Infinity]}', b"1e400", b'"\\ud800"', b"[" * 100_000])
def test_what_a_function_yields_is_json(payload: bytes) -> None:
    """Python's json writes NaN, so a function may well answer it."""
    with pytest.raises(FunctionFailed, match="not JSON"):
        invoke(Lambda(payload))
    with pytest.raises(FunctionFailed, match="Odd"):
        invoke(Lambda(b'{"errorType":"Odd","errorMessage":NaN}', error="Unhandled"))


def test_an_answer_of_lambda_that_is_cut_off() -> None:
    class Cut(Lambda):
        def invoke(self, **request: Any) -> Any:
            return {"Payload": StreamingBody(io.BytesIO(b'{"a":'), 100)}

    with pytest.raises(FunctionFailed, match="could not be invoked"):
        invoke(Cut())


def find(**settings: Any) -> dict[str, Any]:
    return registry(Settings(**settings), lambda service: None)


def test_handlers_are_found_by_module() -> None:
    built_in = {"input", "output", "noop", "call_external_service", "webhook", "call_llm_service", "invoke_lambda"}
    assert set(find()) == built_in
    found = find(handler_modules="examples.greet_handler")
    greet = found["greet"]
    assert set(found) == {*built_in, "greet"} and greet.summary == "Greets somebody."
    assert greet(greet.config(name="Ada", times=2), CONTEXT) == {"text": "Hello, Ada! Hello, Ada!"}


@pytest.mark.parametrize("module", ["no.such.module", "json", "clashing_handlers"])
def test_modules_that_cannot_be_used_are_named(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @handler("noop")
    def noop(config: Config) -> None: ...

    clashing = types.ModuleType("clashing_handlers")
    clashing.noop = noop  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "clashing_handlers", clashing)
    with pytest.raises(BadHandlers, match=module):
        find(handler_modules=module)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("\nraise RuntimeError('no\\n  licence')", "RuntimeError: no licence (broken_handlers.py, line 2)"),
        ("import sys\nsys.exit('I leave')", "SystemExit: I leave (broken_handlers.py, line 2)"),
        ("import missing_module", "ModuleNotFoundError: No module named 'missing_module' (broken_handlers.py, line 1)"),
        ("raise OSError('x' * 999)", f"OSError: {'x' * 291} (broken_handlers.py, line 1)"),
        ("1 +", "SyntaxError: invalid syntax (broken_handlers.py, line 1)"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named_with_its_error_and_line(
    source: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_handlers.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadHandlers) as caught:
        find(handler_modules="broken_handlers")
    assert caught.value.faults == (f"HANDLER_MODULES=broken_handlers: it cannot be imported: {fault}",)


def test_a_handler_needs_a_model() -> None:
    with pytest.raises(TypeError, match="pydantic model"):

        @handler("bad")
        def bad(config: dict) -> None: ...  # type: ignore[type-arg]

    with pytest.raises(TypeError, match="must take"):

        @handler("bad")
        def worse() -> None: ...
