"""The Lambda entry points: HTTP, with the routes of chalicelib/web/routes, and what the queues and the clock invoke."""

from __future__ import annotations

from typing import Any

from chalice.app import Chalice, CloudWatchEvent, Rate, Response, SQSEvent

from chalicelib import composition, invocation
from chalicelib.web import access, journal, origins, parameters, problems
from chalicelib.web.routes import forecasts, instances, pages, service, workflows

API_AUTH = composition.api_auth()
CALLERS = composition.callers()
# composition configures the logs: chalice's own handler would print every line twice.
app = Chalice(app_name="dag-service", configure_logs=False)
app.register_middleware(invocation.around(lambda: composition.application().parts), "all")
app.register_middleware(journal.middleware, "http")
app.register_middleware(origins.middleware(CALLERS), "http")
app.register_middleware(problems.middleware, "http")
app.register_middleware(parameters.middleware(lambda: app.routes), "http")

# Chalice packages the routes that are made here. The application itself is made when a route is first called.
PROTECTED = access.protected(API_AUTH)
app.register_blueprint(workflows.routes(lambda: composition.application(), PROTECTED))
app.register_blueprint(instances.routes(lambda: composition.application(), PROTECTED))
app.register_blueprint(forecasts.routes(lambda: composition.application(), PROTECTED))
app.register_blueprint(service.routes(lambda: composition.application(), PROTECTED, API_AUTH))
app.register_blueprint(pages.routes(API_AUTH))


@app.on_sqs_message(queue="dag-service", batch_size=10, name="worker")
def worker(event: SQSEvent) -> dict[str, Any]:
    """Run the nodes that the messages name. Returns the messages that SQS must deliver again."""
    return composition.application().worker.handle(event.to_dict(), event.context)


@app.on_sqs_message(queue="dag-service-dead", batch_size=10, name="dead_letters")
def dead_letters(event: SQSEvent) -> dict[str, Any]:
    """Settle the nodes of messages that no worker could handle. Returns the messages that SQS must deliver again."""
    return composition.application().dead_letters.handle(event.to_dict(), event.context)


@app.lambda_function(name="scheduler")
def scheduler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Enqueue what is due in one instance: {"instance_id": ...}."""
    return composition.application().scheduler.handle(event)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="sweep")
def sweep(event: CloudWatchEvent) -> dict[str, Any]:
    """Find the instances that are overdue and carry them on."""
    return composition.application().sweep.run().as_dict()


def preflight(**_: str) -> Response:
    """The answer to OPTIONS. Open, since a browser sends the request without a key."""
    assert app.current_request is not None  # chalice sets it before it calls a route
    return origins.preflight(app.routes[app.current_request.path])


if CALLERS.origins:  # chalice's own CORS allows one origin, and sends it to pages of all others
    for path in list(app.routes):
        app.route(path, methods=["OPTIONS"], name="preflight", **access.OPEN)(preflight)


composition.prepare()
