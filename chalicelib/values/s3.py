"""Large results as objects in an S3 bucket."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from chalicelib.errors import ValuesUnavailable

# How long a link can be followed, in seconds.
LINK_SECONDS = 900


class S3Values:
    """See values/protocol.py. `client` returns the boto3 `s3` client; `prefix` is empty, or ends with a slash.

    It needs permission to list the bucket: otherwise S3 answers "access denied" if an object is gone.
    """

    def __init__(self, client: Callable[[], Any], bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def put(self, key: str, value: bytes) -> None:
        with self._translating_errors(key):
            self._client().put_object(**self._object(key), Body=value, ContentType="application/json")

    def get(self, key: str) -> bytes | None:
        with self._translating_errors(key):
            try:
                return bytes(self._client().get_object(**self._object(key))["Body"].read())
            except self._client().exceptions.NoSuchKey:
                return None

    def link(self, key: str) -> str | None:
        with self._translating_errors(key):
            url = self._client().generate_presigned_url("get_object", self._object(key), ExpiresIn=LINK_SECONDS)
            return str(url)

    def forget(self, prefix: str) -> None:
        with self._translating_errors(prefix):
            pages = self._client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                if found := [{"Key": one["Key"]} for one in page.get("Contents", [])]:
                    done = self._client().delete_objects(Bucket=self._bucket, Delete={"Objects": found, "Quiet": True})
                    if errors := done.get("Errors"):
                        raise ValuesUnavailable(f"{self.place(prefix)} is not empty: {errors[0].get('Message')}")

    def place(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{key}"

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    @contextlib.contextmanager
    def _translating_errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except ValuesUnavailable:
            raise
        except Exception as error:  # botocore's errors have no common root
            raise ValuesUnavailable(f"S3 did not answer for {self.place(key)}: {error}") from None
