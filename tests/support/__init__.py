"""Helpers that tests share: servers, clocks, fakes, and readers of what the service writes."""
