"""May this address be called? Judged by what its name resolves to, at the moment of the call.

An address comes from whoever runs the product, and may still lead into its network by a slip, or
by a name server that somebody else controls. Sentences name the host alone: what stands behind it
in an address may be a secret.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from requests.utils import get_environ_proxies, select_proxy

from migrations_app.announce.message import TryLater, Undeliverable

# No setting opens these: they hand out the machine's own credentials.
METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "192.0.0.192",
         "168.63.129.16", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
    )
)  # fmt: skip
# The packet goes on to the IPv4 address in the last 32 bits of the first; the second is for
# translators of one's own, and not every Python calls it private.
NAT64 = ipaddress.ip_network("64:ff9b::/96")
OWN_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """An address that may be called. `addresses` is empty where only the proxy can resolve it."""

    url: str = field(repr=False)
    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...]


def check(url: str) -> Target:
    """The target of `url`, if it may be called.

    It must be https, without credentials in it, and no address of its host may be private,
    loopback, link-local, multicast, reserved or a cloud's metadata service. A host (or host:port)
    that IAMCLEANUP_PRIVATE_HOSTS names may be http and at any address but the last kind. Raises
    Undeliverable, or TryLater where the name cannot be resolved: name servers fail and come back.
    """
    parts = _parts(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    named = not {host, f"{host}:{port}", f"[{host}]:{port}"}.isdisjoint(_private_hosts())
    if parts.scheme != "https" and not named:
        raise Undeliverable(
            f"The address of {host} does not begin with https://. Use https, or name {host} in "
            "IAMCLEANUP_PRIVATE_HOSTS if it is in your own network."
        )
    addresses = _resolve(url, host, port)
    for address in addresses:
        if why := refusal(address, named=named):
            do = (
                "Nothing is ever sent there: use another address."
                if named
                else f"If that is meant, name {host} in IAMCLEANUP_PRIVATE_HOSTS."
            )
            raise Undeliverable(f"{host} is at {address}, {why}. {do}")
    return Target(url, parts.scheme, host, port, addresses)


def refusal(address: str, *, named: bool = False) -> str:
    """Why nothing is sent to this IP address; "" if it may be. `named`: its host was allowed."""
    for ip in _and_embedded(ipaddress.ip_address(address.partition("%")[0])):
        if ip in METADATA:
            return "where a cloud hands out credentials"
        if ip.is_multicast or ip.is_unspecified:
            return "which is not one machine"
        if named:
            continue
        if ip.is_loopback:
            return "which is this machine"
        if ip.is_link_local:
            return "which is the machine's own link"
        site_local = getattr(ip, "is_site_local", False)
        if not ip.is_global or ip.is_reserved or site_local or ip in OWN_NAT64:
            return "which is private or reserved"
    return ""


def _and_embedded(ip: Address) -> Iterator[Address]:
    """An address; for an IPv6 one that stands for or leads to an IPv4 address, that one instead.

    Python calls mapped and translated addresses reserved or global whatever they lead to.
    """
    if isinstance(ip, ipaddress.IPv6Address):
        inner = (ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ()))
        found: list[Address] = [address for address in inner if address]
        if ip in NAT64:
            found.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if found:
            yield from found
            return
    yield ip


def _parts(url: str) -> SplitResult:
    """The parts of an address that is written so plainly that there is one way to read it."""
    hint = "Write it as https://host/path."
    if not url.isascii() or any(char <= " " or char in '\\"<>\x7f' for char in url):
        raise Undeliverable(f"The address holds characters that do not belong in one. {hint}")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise Undeliverable(f"The address cannot be read. {hint}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Undeliverable(f"The address does not begin with https:// and a host. {hint}")
    if "@" in parts.netloc:
        raise Undeliverable(
            f"The address of {parts.hostname} holds a user name or password. Take it out: "
            "addresses are shown and logged."
        )
    return parts


def _private_hosts() -> set[str]:
    return {name.strip().lower() for name in settings.IAMCLEANUP_PRIVATE_HOSTS}


def _resolve(url: str, host: str, port: int) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        if select_proxy(url, get_environ_proxies(url)):
            return ()
        raise TryLater(
            f"The name {host} cannot be resolved. Check how it is written, and the name server."
        ) from None
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
