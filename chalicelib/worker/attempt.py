"""The parts of one attempt of a node that need no store: render its config, encode its result, describe its failure."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from chalicelib.core import failure, node_error, strictjson, templates
from chalicelib.core.handler import Handler
from chalicelib.errors import DoNotRetry, TemplateError, ValueLost, ValuesUnavailable
from chalicelib.handlers.api import Context
from chalicelib.secrets.redact import NOTHING, Redactor
from chalicelib.worker.serialization import BadResult, Serialized, serialize

# Frames of these modules are between the worker and the handler's own code.
_BETWEEN = (__file__, failure.__file__, concurrent.futures.__file__, json.__file__, asyncio.__file__)
_OURS = tuple(f"{Path(file).parent}/" for file in _BETWEEN)


@dataclass(frozen=True, slots=True)
class Failed:
    """Why an attempt failed. The store gets it as JSON {type, message, traceback}."""

    type: str
    message: str
    traceback: str | None
    retry: bool

    def encode(self) -> bytes:
        return node_error.NodeError(self.type, self.message, self.traceback).encode()


def describe(error: BaseException, redactor: Redactor = NOTHING) -> Failed:
    """The error's type, message and end of the traceback, all bounded in length, and whether a retry may help."""
    redact = redactor.text
    retry = not failure.holds(error, (DoNotRetry, TemplateError, BadConfig, BadResult, ValueLost))
    trace = None
    if not isinstance(error, (TemplateError, BadConfig, BadResult, ValueLost, ValuesUnavailable)):
        # Only frames of the handler: those of the worker are of no use to its author.
        trace = failure.traceback_of(error, _OURS, redact)
    return Failed(failure.type_of(error, redact), failure.message_of(error, redact), trace, retry)


class BadConfig(ValueError):
    """The rendered config does not fit the handler's model."""


def render(handler: Handler, config: Mapping[str, Any], lookup: Mapping[str, Any]) -> BaseModel:
    """Fill in the config's templates, and validate it by the handler's model. Raises TemplateError or BadConfig."""
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
    text = (result if isinstance(result, Serialized) else serialize(result, limit)).text
    if redactor:  # only JSON values can be searched for secrets, not models or dates
        try:
            text = strictjson.dumps(redactor.value(json.loads(text)))
        except (ValueError, RecursionError) as error:
            raise BadResult(f"the handler's result cannot be looked through for secrets: {error}") from None
    encoded = text.encode()
    if len(encoded) > limit:
        raise BadResult(
            f"the handler's result is {len(encoded):,} bytes, the limit is {limit:,} (MAX_RESULT_BYTES): "
            "store it elsewhere and return a reference"
        )
    return encoded


def unknown_handler(name: str) -> DoNotRetry:
    return DoNotRetry(f"this worker has no handler `{name}`: deploy it, and name its module in HANDLER_MODULES")


__all__ = ["BadConfig", "BadResult", "Context", "Failed", "describe", "encode", "render", "unknown_handler"]
