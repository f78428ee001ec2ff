"""The engine under a virtual clock and seeded faults: every run of a seed is the same run (see README.md)."""
