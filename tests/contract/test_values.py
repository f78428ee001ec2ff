"""The stores of large results, a folder and S3 (LocalStack's), pass the same tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from chalicelib.composition import Application
from chalicelib.errors import ValuesUnavailable
from chalicelib.settings import Settings
from chalicelib.values.protocol import Values
from local.sockets import free_port


def made(url: str, **settings: Any) -> Values:
    return Application(Settings(values_url=url, **settings)).offload._values


@pytest.fixture(params=["folder", "s3"])
def values(request: pytest.FixtureRequest) -> Iterator[Values]:
    if request.param == "folder":
        yield made(f"{request.getfixturevalue('tmp_path').as_uri()}/not%20yet/there")
        return
    bucket = request.getfixturevalue("bucket")
    found = made(f"s3://{bucket}/some/prefix", aws_endpoint_url=request.getfixturevalue("localstack_url"))
    yield found
    found._client().close()  # type: ignore[attr-defined]


def test_what_is_put_is_there_until_its_folder_is_forgotten(values: Values) -> None:
    content = "naïve \U0001f600".encode() * 100_000
    values.put("a0/in-1/node/1-x.json", content)
    values.put("a0/in-1/node/1-x.json", content)
    values.put("a0/in-1/other/2-y.json", b"[]")
    values.put("a0/in-12/node/1-z.json", b"{}")
    assert values.get("a0/in-1/node/1-x.json") == content
    assert values.get("a0/in-1/node/2-x.json") is None
    values.forget("a0/in-1/")
    assert values.get("a0/in-1/node/1-x.json") is None and values.get("a0/in-1/other/2-y.json") is None
    assert values.get("a0/in-12/node/1-z.json") == b"{}"
    values.forget("a0/in-1/")


def test_a_link_leads_anybody_to_an_object(values: Values) -> None:
    values.put("a0/in-1/node/1-x.json", b"[1]")
    link = values.link("a0/in-1/node/1-x.json")
    if link is None:
        assert values.place("x").startswith("/")
        return
    with urlopen(link) as answer:
        assert answer.read() == b"[1]" and answer.headers["content-type"] == "application/json"


def test_more_than_one_page_is_forgotten(bucket: str, localstack_url: str) -> None:
    values = made(f"s3://{bucket}", aws_endpoint_url=localstack_url)
    paginate = values._client().get_paginator  # type: ignore[attr-defined]
    pages = paginate("list_objects_v2")
    for number in range(5):
        values.put(f"a0/in-1/n/{number}.json", b"1")
    # Pages of two, since pages of 1,000 would take long.
    whole = pages.paginate
    pages.paginate = lambda **named: whole(**named, PaginationConfig={"PageSize": 2})
    values._client().get_paginator = lambda name: pages  # type: ignore[attr-defined]
    values.forget("a0/in-1/")
    assert all(values.get(f"a0/in-1/n/{number}.json") is None for number in range(5))
    values._client().close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("place", ["folder", "no bucket", "nobody there", "none"])
def test_a_place_that_does_not_answer_says_so(place: str, tmp_path: Path, localstack_url: str) -> None:
    (tmp_path / "file").touch()
    if place == "folder":
        values = made((tmp_path / "file").as_uri())
    elif place == "none":
        values = made("")
    else:
        endpoint = localstack_url if place == "no bucket" else f"http://127.0.0.1:{free_port()}"
        values = made("s3://there-is-no-such-bucket", aws_endpoint_url=endpoint)
    with pytest.raises(ValuesUnavailable):
        values.put("a0/in-1/n/1.json", b"1")
    with pytest.raises(ValuesUnavailable):
        values.get("a0/in-1/n/1.json")


@pytest.mark.parametrize("url", ["http://bucket", "s3://", "s3://UPPER", "file://relative/x", "/data", "s3://b/x?y"])
def test_a_place_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="s3://BUCKET"):
        Settings(values_url=url)
