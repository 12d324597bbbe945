"""What travels compressed, and what does not."""

from __future__ import annotations

import gzip
import zipfile
from io import BytesIO

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from iamcleanup.compressed import CompressedMiddleware
from inventory.models import Role
from tests import cast

PACKED = {"Accept-Encoding": "gzip"}


def answered(body: bytes, content_type: str) -> HttpResponse:
    def view(_: HttpRequest) -> HttpResponse:
        return HttpResponse(body, content_type=content_type)

    request = RequestFactory().get("/", headers=PACKED)
    answer = CompressedMiddleware(view)(request)
    assert isinstance(answer, HttpResponse)
    return answer


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "text/csv", "application/json"])
def test_text_is_compressed(kind: str) -> None:
    answer = answered(b"user," * 1000, kind)

    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.content) == b"user," * 1000


def test_what_is_packed_already_is_left_alone() -> None:
    body = BytesIO()
    with zipfile.ZipFile(body, "w") as pack:
        pack.writestr("users.csv", "user," * 1000)

    answer = answered(body.getvalue(), "application/zip")

    assert "Content-Encoding" not in answer.headers
    assert answer.content == body.getvalue()


@pytest.mark.django_db
def test_a_page_comes_compressed_to_whoever_can_read_that() -> None:
    client = Client()
    client.force_login(cast.person("vera", roles=[Role.VIEWER]))

    packed = client.get("/inbox/", headers=PACKED)
    plain = client.get("/inbox/")

    assert b"Inbox" in gzip.decompress(packed.content)
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert "Content-Encoding" not in plain.headers
