"""The events that the engine counts (`protocol.py`), and their export: none, to CloudWatch, or to Prometheus."""
