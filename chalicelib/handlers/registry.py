"""Finds handlers: the built-in ones, and those in the modules that HANDLER_MODULES names. It keeps no state."""

from __future__ import annotations

import functools
import importlib
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chalicelib.core.handler import Handler
from chalicelib.errors import BadSettings
from chalicelib.handlers import flow
from chalicelib.handlers.http_call import http_handler
from chalicelib.handlers.invoke import invoke_handler
from chalicelib.handlers.llm import LlmSettings, llm_handler
from chalicelib.handlers.webhook import webhook_handler
from chalicelib.settings import Settings


class BadHandlers(BadSettings):
    """A module of handlers cannot be loaded, or two handlers share a name."""


def registry(settings: Settings, aws: Callable[[str], Any], reveal: Callable[[str], str] = str) -> dict[str, Handler]:
    """Every handler by name. `aws` makes the boto3 client of a service, `reveal` fills in the secrets of a setting.

    Raises BadHandlers, with every fault.
    """
    found: dict[str, Handler] = {}
    faults: list[str] = []
    for place, handler in [*_built_in(settings, aws, reveal), *_from_modules(settings, faults)]:
        if found.setdefault(handler.name, handler) is not handler:
            faults.append(f"HANDLER_MODULES={place}: there is a handler `{handler.name}` already: rename one of them")
    if faults:
        raise BadHandlers(faults)
    return found


def _built_in(
    settings: Settings, aws: Callable[[str], Any], reveal: Callable[[str], str]
) -> Iterator[tuple[str, Handler]]:
    def client(*, allow_private: bool) -> Callable[[], Any]:
        return functools.cache(lambda: _http_client(allow_private, settings.max_response_bytes))

    model = LlmSettings(
        base_url=settings.llm_base_url,
        api_key=lambda: reveal(settings.llm_api_key.get_secret_value()),
        model=settings.llm_model,
        bedrock_model_id=settings.bedrock_model_id,
    )
    guarded = client(allow_private=settings.allow_private_addresses)
    handlers = [
        flow.input_,
        flow.output,
        flow.noop,
        http_handler(guarded),
        webhook_handler(guarded),
        # The operator sets the model's URL, so a private address is fine there.
        llm_handler(client(allow_private=True), functools.cache(lambda: aws("bedrock-runtime")), model),
        invoke_handler(functools.cache(lambda: aws("lambda"))),
    ]
    return (("built in", handler) for handler in handlers)


def _http_client(allow_private: bool, max_response_bytes: int) -> Any:
    # Imported here, since only workers make calls: the import takes 20 ms of a cold start.
    from chalicelib.handlers.egress import HttpClient

    return HttpClient(allow_private=allow_private, max_response_bytes=max_response_bytes)


def _from_modules(settings: Settings, faults: list[str]) -> Iterator[tuple[str, Handler]]:
    for name in settings.handler_module_names:
        try:
            module = importlib.import_module(name)
        except (Exception, SystemExit) as error:  # a module that exits would end the process silently
            faults.append(f"HANDLER_MODULES={name}: it cannot be imported: {_reason(name, error)}")
            continue
        handlers = [value for value in vars(module).values() if isinstance(value, Handler)]
        if not handlers:
            faults.append(f"HANDLER_MODULES={name}: it has no handler: decorate a function with @handler(...)")
        for handler in handlers:
            yield name, handler


def _reason(name: str, error: BaseException) -> str:
    """What was raised, and by which line of the module, as text without line breaks."""
    if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
        return f"there is no module `{error.name}`: is it spelt so, and is its folder on PYTHONPATH?"
    raised = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    frames = traceback.extract_tb(error.__traceback__)
    last = next(
        (frame for frame in reversed(frames) if "importlib" not in frame.filename and frame.filename != __file__), None
    )
    return f"{raised} ({Path(last.filename).name}, line {last.lineno})" if last else raised
