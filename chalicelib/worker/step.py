"""One attempt of one node: its config rendered and checked, its handler run, its result encoded. No store in here."""

from __future__ import annotations

import concurrent.futures
import json
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from chalicelib.core import fault, strictjson, templates
from chalicelib.errors import DoNotRetry, TemplateError, ValueLost, ValuesUnavailable
from chalicelib.handlers.api import Context, Handler
from chalicelib.secrets.redact import NOTHING, Redactor

_OURS = (str(Path(__file__).parent), str(Path(concurrent.futures.__file__).parent))

MAX_MESSAGE, MAX_TRACEBACK = fault.MAX_MESSAGE, fault.MAX_TRACEBACK


@dataclass(frozen=True, slots=True)
class Failed:
    """Why an attempt failed, as it is stored: JSON {type, message, traceback}."""

    type: str
    message: str
    traceback: str | None
    retry: bool

    def __post_init__(self) -> None:
        """However it was described: logs and traces have the same text as the store."""
        for name, part in fault.bounded(self.type, self.message, self.traceback)._asdict().items():
            object.__setattr__(self, name, part)

    def encode(self) -> bytes:
        return fault.Fault(self.type, self.message, self.traceback).encode()


def describe(error: BaseException, redactor: Redactor = NOTHING) -> Failed:
    """Type, message, and the last part of the traceback, all bounded in length. Some errors no retry can mend."""
    # Redacted before they are cut: half a secret is not found any more.
    retry = not isinstance(error, (DoNotRetry, TemplateError, BadConfig, BadResult, ValueLost))
    trace = None
    if not isinstance(error, (TemplateError, BadConfig, BadResult, ValueLost, ValuesUnavailable)):
        # The frames of the handler: ours tell its author nothing, and the message has a field of its own.
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_OURS)]
        trace = redactor.text("".join(traceback.format_list(frames)))[-MAX_TRACEBACK:]
    message = redactor.text(str(error) or type(error).__name__)[:MAX_MESSAGE]
    return Failed(type(error).__name__, message, trace, retry)


class BadConfig(ValueError):
    """The rendered config does not fit the handler's model."""


class BadResult(ValueError):
    """The handler's result is not JSON, or over the limit."""


def render(handler: Handler, config: Mapping[str, Any], lookup: Mapping[str, Any]) -> BaseModel:
    """The config with its templates filled in, as the handler's model. Raises TemplateError or BadConfig."""
    rendered = templates.render(config, lookup)
    try:
        return handler.config.model_validate(rendered)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'config'}: {e['msg']}" for e in error.errors()[:5])
        raise BadConfig(
            f"the config does not fit `{handler.name}` once its templates are filled in: {faults}"
        ) from None


def encode(result: Any, *, limit: int, redactor: Redactor = NOTHING) -> bytes:
    """The result as JSON in UTF-8, at most `limit` bytes, without the secrets. Raises BadResult."""
    try:
        text = strictjson.dumps(result)
        if redactor:  # of models and dates only their JSON can be looked through
            text = strictjson.dumps(redactor.value(json.loads(text)))
        encoded = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadResult(f"the handler's result is not JSON: {error}") from None
    if len(encoded) > limit:
        raise BadResult(
            f"the handler's result is {len(encoded):,} bytes, the limit is {limit:,} (MAX_RESULT_BYTES): "
            "store it elsewhere and return a reference"
        )
    return encoded


def unknown_handler(name: str) -> DoNotRetry:
    return DoNotRetry(f"this worker has no handler `{name}`: deploy it, and name its module in HANDLER_MODULES")


__all__ = ["BadConfig", "BadResult", "Context", "Failed", "describe", "encode", "render", "unknown_handler"]
