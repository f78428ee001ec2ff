"""A handler of your own: `HANDLER_MODULES=examples.greet_handler make run`."""

from chalicelib.handlers import Config, Context, DoNotRetry, handler


class Greet(Config):
    name: str
    times: int = 1


@handler("greet")
def greet(config: Greet, context: Context) -> dict[str, str]:
    """Greets somebody."""
    if not config.name:
        raise DoNotRetry("there is nobody to greet")
    context.logger.info("greeting")
    return {"text": " ".join([f"Hello, {config.name}!"] * config.times)}
