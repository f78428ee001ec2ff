"""What the engine says happened (`protocol.py`), and where that goes: nowhere, to CloudWatch, to Prometheus."""
