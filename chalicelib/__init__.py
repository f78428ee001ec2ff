"""dag-service: the library behind the routes and Lambda functions of app.py."""

__version__ = "0.1.0"
