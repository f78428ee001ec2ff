"""The part of valkey-cli that docs/operate.md uses, if none is installed.

`python -m tests.support.valkey_cli -u URL COMMAND ...`
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import redis


def main(words: list[str]) -> int:
    option, url, *command = words
    assert option == "-u"
    with redis.Redis.from_url(url, decode_responses=True, protocol=2) as client:
        if command[0] == "--scan":
            answer: Any = list(client.scan_iter(match=command[2], count=1000))
        else:
            client.response_callbacks.clear()  # as the server words it
            answer = client.execute_command(*command)
    for line in _lines(answer):
        print(line)
    return 0


def _lines(answer: Any) -> Iterator[str]:
    if isinstance(answer, list):
        for one in answer:
            yield from _lines(one)
    else:
        yield "" if answer is None else str(answer)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
