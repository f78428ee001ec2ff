"""The engine with a virtual clock and seeded faults: every run of a seed is the same (see README.md)."""
