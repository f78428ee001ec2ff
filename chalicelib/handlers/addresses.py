"""Which addresses may be called: by default only public ones, and never those where clouds keep credentials.

A host is resolved once. All its addresses are checked, and the connection is made to one of these: so redirects, DNS
answers that change, and other spellings of an IPv4 address (decimal, octal, hexadecimal) lead nowhere else.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

from chalicelib.errors import DoNotRetry
from chalicelib.handlers.failures import CallFailed

Resolve = Callable[[str, int], list[str]]
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds keep credentials. They are refused even where private addresses are allowed.
METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            *("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"),  # AWS
            *("168.63.129.16", "fd20:ce::254", "100.100.100.200", "192.0.0.192"),  # Azure, Google, Alibaba, Oracle
        ),
    )
)
# Python 3.11 calls these global, though they are not: site-local, documentation, 6to4 relays.
_NOT_PUBLIC = [ipaddress.ip_network(text) for text in ("fec0::/10", "3fff::/20", "192.88.99.0/24")]


class RefusedAddress(DoNotRetry):
    """The URL leads to an address that must not be called."""


class AddressGuard:
    """Turns a host into an address that may be called, or refuses it."""

    def __init__(self, *, allow_private: bool, resolve: Resolve | None = None) -> None:
        self._allow_private = allow_private
        self._resolve = resolve or resolve_host

    def address(self, host: str, port: int) -> str:
        """The address to connect to. The caller must use it as it is, since another lookup may answer otherwise.

        Raises RefusedAddress if any of the host's addresses must not be called.
        """
        addresses = self._resolve(host.strip("[]"), port)
        for text in addresses:
            address = ipaddress.ip_address(text.split("%", 1)[0])
            if not self._allowed(address):
                remedy = "set ALLOW_PRIVATE_ADDRESSES=true to allow it"
                if METADATA & {address, _embedded(address)}:
                    remedy = "clouds keep credentials there, and it is never called"
                raise RefusedAddress(f"`{host}` is at {address}, which is not a public address: {remedy}")
        return addresses[0]

    def _allowed(self, address: _Address) -> bool:
        embedded = _embedded(address)
        if embedded in METADATA or address in METADATA:
            return False
        public = embedded.is_global and not embedded.is_multicast and not embedded.is_reserved
        return self._allow_private or (public and not any(embedded in network for network in _NOT_PUBLIC))


def guarded(pool: Any, connection: Any, guard: AddressGuard) -> Any:
    """A subclass of urllib3's `pool` whose connections go only to addresses that the guard has checked."""

    class Guarded(connection):  # type: ignore[misc]
        _dns_host: str

        def _new_conn(self) -> socket.socket:
            # urllib3 connects to `_dns_host`, and takes the name for TLS and the Host header from `host`.
            name: str = self._dns_host
            self._dns_host = guard.address(name, self.port)
            try:
                return super()._new_conn()  # type: ignore[no-any-return]
            finally:
                self._dns_host = name

    class GuardedPool(pool):  # type: ignore[misc]
        ConnectionCls = Guarded

    return GuardedPool


def resolve_host(host: str, port: int) -> list[str]:
    """The host's addresses, as the system resolves it."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise DoNotRetry(f"`{host[:200]}` is not a host name") from None
    except socket.gaierror as error:
        raise CallFailed(f"`{host[:200]}` cannot be resolved: {error.strerror}") from None
    return [str(entry[4][0]) for entry in found]


def _embedded(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 address carries (mapped, 6to4, Teredo, NAT64), else the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in ipaddress.IPv6Network("64:ff9b::/96"):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        teredo = address.teredo
        return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)
    return address
