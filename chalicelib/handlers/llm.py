"""`call_llm_service`: a model on Amazon Bedrock (Converse), or at any OpenAI-compatible URL (chat completions)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from chalicelib.core import strictjson
from chalicelib.core.handler import Handler
from chalicelib.errors import DoNotRetry
from chalicelib.handlers.api import Config, Context, handler
from chalicelib.secrets.redact import Redactor

if TYPE_CHECKING:
    from chalicelib.handlers.egress import HttpClient

NOT_CONFIGURED = (
    "call_llm_service has no model to call: set LLM_BASE_URL (and LLM_API_KEY, LLM_MODEL) for an OpenAI-compatible "
    "service, or BEDROCK_MODEL_ID for Amazon Bedrock"
)
MAX_MESSAGES = 1000
# Bedrock's error codes for which a retry would fail as well.
_FINAL = frozenset({"AccessDeniedException", "ValidationException", "ResourceNotFoundException"})


class ChatMessage(BaseModel):
    """One message of the conversation."""

    role: Literal["user", "assistant"]
    content: str


class LlmCall(Config):
    """Either `prompt` or `messages` is required."""

    prompt: str | None = None
    messages: list[ChatMessage] | None = None
    system: str | None = None
    model: str | None = Field(None, description="instead of the one that is configured")
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)

    @field_validator("messages", mode="before")
    @classmethod
    def _not_too_many_messages(cls, messages: Any) -> Any:
        # Checked here, before pydantic validates each message.
        if isinstance(messages, list) and len(messages) > MAX_MESSAGES:
            raise ValueError(f"has {len(messages):,} messages; at most {MAX_MESSAGES:,} are sent")
        return messages

    @model_validator(mode="after")
    def _prompt_or_messages(self) -> LlmCall:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either `prompt` or `messages`")
        return self

    def turns(self) -> list[ChatMessage]:
        if self.messages is not None:
            return self.messages
        return [ChatMessage(role="user", content=self.prompt or "")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    base_url: str
    api_key: Callable[[], str]
    model: str
    bedrock_model_id: str


class ModelUnavailable(Exception):
    """The service is busy, or failed: a retry may help."""


def llm_handler(client: Callable[[], HttpClient], bedrock: Callable[[], Any], settings: LlmSettings) -> Handler:
    """Make the handler. `client` makes the HTTP client, `bedrock` boto3's `bedrock-runtime`, each at the first use."""

    @handler("call_llm_service", waits=True)
    def call_llm_service(config: LlmCall, context: Context) -> dict[str, Any]:
        """Asks a language model; yields {text, model, usage, stop_reason}."""
        if settings.base_url:
            return _storable(_openai(client(), settings, config, context))
        if settings.bedrock_model_id:
            return _storable(_converse(bedrock(), config, config.model or settings.bedrock_model_id))
        raise DoNotRetry(NOT_CONFIGURED)

    return call_llm_service


def _storable(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer if it can be stored. The rest of what the service sent is dropped, and may hold anything."""
    try:
        strictjson.dumps(answer)
    except (ValueError, RecursionError) as error:
        raise ModelUnavailable(f"the model service's answer cannot be stored: {error}") from None
    return answer


def _openai(client: HttpClient, settings: LlmSettings, config: LlmCall, context: Context) -> dict[str, Any]:
    """Call POST {base_url}/chat/completions (OpenAI API reference, "Create chat completion")."""
    model = config.model or settings.model
    if not model:
        raise DoNotRetry(
            "call_llm_service does not know which model to ask for: set LLM_MODEL, or `model` in the config"
        )
    system = [{"role": "system", "content": config.system}] if config.system is not None else []
    request: dict[str, Any] = {"model": model, "messages": [*system, *(turn.model_dump() for turn in config.turns())]}
    optional = {"max_tokens": config.max_tokens, "temperature": config.temperature}
    request |= {name: value for name, value in optional.items() if value is not None}
    headers = {"Content-Type": "application/json"}
    api_key = settings.api_key()
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    left = context.time_left()
    answer = client.request(
        "POST",
        settings.base_url.rstrip("/") + "/chat/completions",
        headers=headers,
        body=json.dumps(request).encode(),
        connect_timeout=5,
        read_timeout=left,
        deadline=time.monotonic() + left,
        redirects=0,
    )
    if answer.status != 200:
        excerpt = Redactor(filter(None, [api_key])).text(answer.body.decode("utf-8", "replace"))[:300]
        message = f"the model service answered {answer.status}: {excerpt}"
        retryable = answer.status >= 500 or answer.status in (408, 425, 429)
        raise ModelUnavailable(message) if retryable else DoNotRetry(message)
    try:
        data = json.loads(answer.body)
        choice, usage = data["choices"][0], data.get("usage") or {}
        return {
            "text": choice["message"]["content"],
            "model": data.get("model", model),
            "usage": {"input_tokens": usage.get("prompt_tokens"), "output_tokens": usage.get("completion_tokens")},
            "stop_reason": choice.get("finish_reason"),
        }
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ModelUnavailable(f"the model service's answer is not a chat completion: {error!r:.100}") from None


def _converse(client: Any, config: LlmCall, model: str) -> dict[str, Any]:
    """Call Bedrock's Converse (Amazon Bedrock Runtime API reference, "Converse")."""
    request: dict[str, Any] = {
        "modelId": model,
        "messages": [{"role": turn.role, "content": [{"text": turn.content}]} for turn in config.turns()],
    }
    if config.system is not None:
        request["system"] = [{"text": config.system}]
    inference = {"maxTokens": config.max_tokens, "temperature": config.temperature}
    if inference := {name: value for name, value in inference.items() if value is not None}:
        request["inferenceConfig"] = inference
    try:
        answer = client.converse(**request)
    except Exception as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        if code in _FINAL:
            raise DoNotRetry(f"Bedrock refused: {error}"[:500]) from None
        raise ModelUnavailable(f"Bedrock failed: {error}"[:500]) from None
    parts = answer["output"]["message"]["content"]
    usage = answer.get("usage", {})
    return {
        "text": "".join(part.get("text", "") for part in parts),
        "model": model,
        "usage": {"input_tokens": usage.get("inputTokens"), "output_tokens": usage.get("outputTokens")},
        "stop_reason": answer.get("stopReason"),
    }
