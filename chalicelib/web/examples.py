"""Examples that the OpenAPI document shows. A test submits each of them."""

from __future__ import annotations

from typing import Any

WORKFLOWS: dict[str, Any] = {
    "smallest": {
        "summary": "Two nodes, no network",
        "value": {
            "name": "Hello",
            "dag": {
                "nodes": [
                    {"id": "input", "handler": "input"},
                    {"id": "output", "handler": "output", "dependencies": ["input"]},
                ]
            },
        },
    },
    "policy_lookup": {
        "summary": "A call, a summary by a language model, both in the output",
        "value": {
            "name": "Policy lookup",
            "dag": {
                "nodes": [
                    {"id": "input", "handler": "input", "dependencies": []},
                    {
                        "id": "get_user",
                        "handler": "call_external_service",
                        "dependencies": ["input"],
                        "config": {"url": "http://127.0.0.1:8911/users/{{ input.user_id }}"},
                        "retry_policy": {
                            "max_attempts": 3,
                            "initial_backoff_seconds": 1,
                            "backoff_multiplier": 2,
                            "max_backoff_seconds": 10,
                        },
                        "timeout_seconds": 20,
                    },
                    {
                        "id": "summary",
                        "handler": "call_llm_service",
                        "dependencies": ["get_user"],
                        "config": {"prompt": "Summarise: {{ get_user.body }}"},
                    },
                    {"id": "output", "handler": "output", "dependencies": ["get_user", "summary"]},
                ]
            },
        },
    },
}

TRIGGERS: dict[str, Any] = {
    "params": {"summary": "With parameters", "value": {"params": {"user_id": 42}}},
    "none": {"summary": "Without", "value": {}},
}

REASONS: dict[str, Any] = {
    "reason": {"summary": "Why", "value": {"reason": "wrong params"}},
    "none": {"summary": "Without", "value": {}},
}

RERUNS: dict[str, Any] = {
    "retry": {"summary": "What did not complete", "value": {}},
    "from": {"summary": "From a node on", "value": {"from": ["get_user"]}},
    "params": {"summary": "All of it, with other params", "value": {"params": {"user_id": 43}}},
}
