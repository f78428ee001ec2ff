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

FORECAST_REQUESTS: dict[str, Any] = {
    "workflow": {"summary": "A workflow alone", "value": WORKFLOWS["smallest"]["value"]},
    "durations": {
        "summary": "With how long its nodes take, by id or by handler",
        "value": {
            "workflow": WORKFLOWS["policy_lookup"]["value"],
            "durations": {"get_user": 0.25, "call_llm_service": 3},
            "workers": 2,
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

FORECAST: dict[str, Any] = {
    "name": "Policy lookup",
    "nodes": 4,
    "edges": 4,
    "levels": [["input"], ["get_user"], ["summary"], ["output"]],
    "max_parallelism": 1,
    "critical_path": {"nodes": ["input", "get_user", "summary", "output"], "seconds": 3.2502},
    "makespan": {"seconds": 3.294364, "workers": 2, "unlimited_seconds": 3.294364, "unlimited_workers": 1},
    "usage": {
        "messages": 1,
        "transitions": 7,
        "sqs_requests": 3,
        "sqs_send_requests": 1,
        "worker_invocations": 1,
        "scheduler_invocations": 0,
        "lambda_seconds": 3.266264,
        "gb_seconds": 1.633132,
        "gb_seconds_per_node_second": 0.502502,
        "redis_calls": 8,
        "redis_commands": 96,
    },
    "cost_usd": {
        "dag_service": {
            "sqs": 1.2e-06,
            "functions": 2.741892177106801e-05,
            "store": 2.208e-07,
            "total": 2.883972177106801e-05,
        },
        "step_functions_standard": {"orchestration": 0.000125, "functions": 2.788505417e-05, "total": 0.00015288505417},
        "step_functions_express": {
            "orchestration": 4.386302125e-06,
            "functions": 2.788505417e-05,
            "total": 3.2271356295e-05,
        },
    },
    "durations": {"given": 2, "recorded": 0, "assumed": 2, "total_seconds": 3.2502},
    "assumptions": {
        "instant_seconds": 0.0001,
        "other_seconds": 1.0,
        "redis_seconds": 0.0005,
        "aws_seconds": 0.01,
        "queue_seconds": 0.016,
        "scheduler_seconds": 0.073,
        "memory_gb": 0.5,
        "scheduling": "inline",
        "hop_seconds": 10.0,
        "notes": [
            "nothing fails, is lost, or is sent again, and no other instance takes workers or room",
            "handlers wait and do not compute: a worker runs all nodes of up to 10 messages at once",
            "workers are warm: they have the workflow in memory, and have measured its handlers",
            "a record holds what a node waited for others of its batch: instant ones take "
            "what is given, or else assumed",
        ],
    },
}
