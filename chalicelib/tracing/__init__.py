"""Spans from a trigger to its nodes: off, and then nothing is imported for them, or sent by OpenTelemetry."""
