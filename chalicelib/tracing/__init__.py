"""Spans from a trigger to its nodes, sent by OpenTelemetry. While tracing is off, nothing is imported for it."""
