"""Routes and Lambda entry points: parse, call, translate. What they do is in chalicelib and scheduler."""

from __future__ import annotations

import json
from typing import Any, cast

from chalice.app import Chalice, CloudWatchEvent, Rate, Request, Response, SQSEvent

from chalicelib import composition, invocation
from chalicelib.web import access, instances, journal, origins, pages, parameters, plans, problems, requests
from chalicelib.web.answers import answer, location

CALLERS = composition.callers()
# composition configures the logs: chalice's own handler would print every line twice.
app = Chalice(app_name="dag-service", configure_logs=False)
app.register_middleware(invocation.around(lambda: composition.application().parts), "all")
app.register_middleware(journal.middleware, "http")
app.register_middleware(origins.middleware(CALLERS), "http")
app.register_middleware(problems.middleware, "http")
app.register_middleware(parameters.middleware(lambda: app.routes), "http")

# Chalice packages routes as they are made here. Health and the docs are open: they hold nothing of any workflow.
PROTECTED = access.protected(composition.api_auth())
app.register_blueprint(instances.routes(lambda: composition.application(), PROTECTED))
app.register_blueprint(plans.routes(lambda: composition.application(), PROTECTED))
app.register_blueprint(pages.routes(composition.api_auth()))


@app.route("/api/workflow", methods=["POST"], **PROTECTED)
@problems.translated
def submit() -> Response:
    """Validate and store a workflow."""
    request = _request()
    submitted = composition.application().submission.submit(requests.body(request), requests.idempotency_key(request))
    return answer(submitted, 201, location(_request(), submitted.execution_id))


@app.route("/api/workflow/trigger/{execution_id}", methods=["POST"], **PROTECTED)
@problems.translated
def trigger(execution_id: str) -> Response:
    """Start an instance."""
    request = _request()
    triggered = composition.application().triggering.trigger(
        execution_id, requests.body(request), requests.idempotency_key(request)
    )
    return answer(triggered, 202, location(_request(), triggered.instance_id))


@app.route("/api/workflows/{instance_id}", methods=["GET"], **PROTECTED)
@problems.translated
def status(instance_id: str) -> Response:
    """The status of an instance, after at most `?wait=` seconds; with `?nodes=false` without its nodes."""
    wait_seconds, nodes = requests.wait_seconds(_request()), requests.nodes(_request())
    return answer(composition.application().status.of(instance_id, wait_seconds, nodes=nodes))


@app.route("/api/workflows/{instance_id}/results", methods=["GET"], **PROTECTED)
@problems.translated
def results(instance_id: str) -> Response:
    """The results of a terminal instance, with `?epoch=` as they were in an earlier one."""
    epoch, mount = requests.epoch(_request()), requests.mount(_request())
    return answer(composition.application().results.of(instance_id, epoch, mount=mount))


@app.route("/api/health", methods=["GET"], **access.OPEN)
@problems.translated
def health() -> Response:
    """Whether the store and the queue can be reached."""
    found = composition.application().health.check()
    return answer(found, 200 if found.status == "ok" else 503)


@app.route("/api/metrics", methods=["GET"], **PROTECTED)
@problems.translated
def metrics() -> Response:
    """What happened so far and how things stand, for Prometheus; 404 unless METRICS says so."""
    accept = _request().headers.get("accept", "")
    text, content_type = composition.application().metering.exposition(accept)
    return Response(text, headers={"Content-Type": content_type})


@app.route("/api/openapi.json", methods=["GET"], **access.OPEN)
@problems.translated
def openapi_document() -> Response:
    """The OpenAPI document of exactly this deployment: its address, its handlers."""
    from chalicelib.web import openapi

    document = openapi.document(
        composition.application().handlers, server=requests.mount(_request()), auth=composition.api_auth()
    )
    return Response(json.dumps(document), headers={"Content-Type": "application/json", "Cache-Control": "no-cache"})


@app.on_sqs_message(queue="dag-service", batch_size=10, name="worker")
def worker(event: SQSEvent) -> dict[str, Any]:
    """Run the nodes that the messages name. Answers which messages must come again."""
    return composition.application().worker.handle(event.to_dict(), event.context)


@app.on_sqs_message(queue="dag-service-dead", batch_size=10, name="dead_letters")
def dead_letters(event: SQSEvent) -> dict[str, Any]:
    """Settle what the messages that no worker could handle were about."""
    return composition.application().dead_letters.handle(event.to_dict(), event.context)


@app.lambda_function(name="scheduler")
def scheduler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Enqueue what is due in one instance: {"instance_id": ...}."""
    return composition.application().scheduler.handle(event)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="sweep")
def sweep(event: CloudWatchEvent) -> dict[str, Any]:
    """Find whatever is overdue and put it right."""
    return composition.application().sweep.run().as_dict()


def preflight(**_: str) -> Response:
    """What a page of another origin may send to this address. It has no key yet: a browser asks before it sends any."""
    return origins.preflight(app.routes[_request().path])


if CALLERS.origins:  # not chalice's own CORS, which knows one origin, and answers with it whoever asks
    for path in list(app.routes):
        app.route(path, methods=["OPTIONS"], name="preflight", **access.OPEN)(preflight)


def _request() -> Request:
    """Chalice sets it before it calls a route."""
    return cast(Request, app.current_request)


composition.prepare()
