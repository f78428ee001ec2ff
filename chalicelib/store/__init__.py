"""The state, in Redis."""

from chalicelib.lazy import postpone

postpone("redis.asyncio")  # much of the time that redis adds to a cold start, and nothing here is asynchronous
