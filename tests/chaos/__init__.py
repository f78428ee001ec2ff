"""The whole service in real processes, which are killed, stopped and cut off while it works. See `make chaos`."""
