"""The state, in Redis."""

from chalicelib.lazy import postpone

postpone("redis.asyncio")  # much of what redis costs a cold start, and nothing here is asynchronous
