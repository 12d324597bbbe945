"""Which addresses may be called: by what a name resolves to, and never a cloud's metadata."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from migrations_app.announce.address import METADATA, check, refusal
from migrations_app.announce.message import TryLater, Undeliverable

INSIDE = [
    "127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b:1::808:808", "2002:7f00:1::", "2001:0:7f00:1::", "10.0.0.1", "172.16.0.1",
    "192.168.1.1", "::ffff:10.0.0.1", "100.64.0.1", "169.254.10.10", "fe80::1%eth0", "fc00::1",
    "fec0::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "240.0.0.1", "255.255.255.255",
    "192.0.2.1", "2001:db8::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "::ffff:8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names resolve to; there is no name server where tests run."""
    known: dict[str, list[str]] = {}

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(0, 0, 0, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert refusal(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_called(address: str) -> None:
    assert not refusal(address)


@given(st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="169.254.0.0/16"))
def test_no_way_of_writing_a_private_address_into_another_opens_it(address: Any) -> None:
    number = int(address)
    for outer in (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80):
        assert refusal(str(ipaddress.IPv6Address(outer)))


@pytest.mark.parametrize("address", sorted(map(str, METADATA)))
def test_the_metadata_of_a_cloud_is_refused_even_where_the_host_is_named(
    address: str, names: dict[str, list[str]], settings: Settings
) -> None:
    names["hooks.corp.example"] = [address]
    settings.IAMCLEANUP_PRIVATE_HOSTS = ["hooks.corp.example"]
    with pytest.raises(Undeliverable, match="credentials"):
        check("https://hooks.corp.example/")


def test_one_private_address_among_public_ones_refuses_the_name(
    names: dict[str, list[str]],
) -> None:
    names["hooks.example.com"] = ["8.8.8.8", "10.1.1.1"]
    with pytest.raises(Undeliverable, match=r"at 10\.1\.1\.1.*IAMCLEANUP_PRIVATE_HOSTS"):
        check("https://hooks.example.com/x")


def test_a_public_name_is_called_at_the_addresses_it_has(names: dict[str, list[str]]) -> None:
    names["hooks.example.com"] = ["8.8.8.8", "2606:4700::1111"]
    target = check("https://hooks.example.com/x")
    assert (target.host, target.port) == ("hooks.example.com", 443)
    assert target.addresses == ("8.8.8.8", "2606:4700::1111")


@pytest.mark.parametrize(
    "named", ["hooks.corp.example", "hooks.corp.example:8443", "HOOKS.corp.example"]
)
def test_a_named_host_may_be_private_and_without_tls(
    named: str, names: dict[str, list[str]], settings: Settings
) -> None:
    names["hooks.corp.example"] = ["10.1.1.1"]
    settings.IAMCLEANUP_PRIVATE_HOSTS = [named]
    assert check("http://hooks.corp.example:8443/x").addresses == ("10.1.1.1",)


def test_naming_one_port_opens_no_other(names: dict[str, list[str]], settings: Settings) -> None:
    names["hooks.corp.example"] = ["10.1.1.1"]
    settings.IAMCLEANUP_PRIVATE_HOSTS = ["hooks.corp.example:8443"]
    with pytest.raises(Undeliverable):
        check("https://hooks.corp.example:22/")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example.com/", "https"),
        ("https://me:secret@hooks.example.com/", "user name"),
        ("https://hooks.example.com\\@10.0.0.1/", "characters"),
        ("https://hooks.example.com/\r\nHost: x", "characters"),
        ("https://höoks.example.com/", "characters"),
        ("https://hooks.example.com:99999/", "cannot be read"),
        ("ftp://hooks.example.com/", "https"),
        ("https:///path", "https"),
        ("file:///etc/passwd", "https"),
        ("", "https"),
    ],
)
def test_an_address_that_can_be_read_in_two_ways_is_refused(
    url: str, why: str, names: dict[str, list[str]]
) -> None:
    names["hooks.example.com"] = ["8.8.8.8"]
    with pytest.raises(Undeliverable, match=why) as caught:
        check(url)
    assert "secret" not in caught.value.why


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "[::1]", "localhost"])
def test_another_way_of_writing_this_machine_is_seen_through(host: str, settings: Settings) -> None:
    settings.IAMCLEANUP_PRIVATE_HOSTS = []
    with pytest.raises(Undeliverable, match="this machine"):
        check(f"https://{host}/")


def test_a_name_without_an_address_may_have_one_later(names: dict[str, list[str]]) -> None:
    with pytest.raises(TryLater, match=r"nowhere\.example"):
        check("https://nowhere.example/")


def test_a_name_that_only_the_proxy_knows_is_left_to_it(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.corp.example:3128")
    assert check("https://nowhere.example/").addresses == ()
