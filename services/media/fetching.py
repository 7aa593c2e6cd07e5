"""Files from addresses: of hosts that the operator allowed, on the public network, within a size and a time.

An address is looked up once, each of its answers must be public, and the connection goes to what was looked up:
a name that changes between the look and the call changes nothing. Redirects are looked at like the first address.
No proxy, no cookies, no compression, no credentials.

Source: OWASP Server-Side Request Forgery Prevention Cheat Sheet; RFC 6890 (special-purpose addresses).
"""

import functools
import http.client
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import BinaryIO, Final
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import gevent

from services.media import refusals

FIELD: Final = "url"
MAX_URL_CHARS: Final = 2000
DEADLINE_S: Final = 15.0
MAX_REDIRECTS: Final = 3
_PIECE_BYTES: Final = 64 * 1024
_PORTS: Final = {"http": 80, "https": 443}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HOST: Final = re.compile(r"[a-z0-9.-]+|[0-9a-f:.]+")
# IPv6 addresses that hold an IPv4 one and lead to it: mapped, compatible, NAT64, 6to4; and where in them it begins.
_HOLDING: Final = tuple(
    (ipaddress.IPv6Network(network), shift)
    for network, shift in (("::ffff:0:0/96", 0), ("::/96", 0), ("64:ff9b::/96", 0), ("2002::/16", 80))
)
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")

Address = tuple[socket.AddressFamily, str]
Resolve = Callable[[str, int], Sequence[Address]]


class Fetcher:
    """Opens addresses of allowed hosts.

    Args:
        hosts: `example.org` for one host, `*.example.org` for all below it; with `:port` where it is not the usual
            one. None: nothing is fetched.
        resolve: Host and port to addresses; the system's unless given.
        may_reach: Which of them may be called; public ones unless given.
        deadline_s: For all of it: look-up, redirects and content.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        resolve: Resolve | None = None,
        may_reach: Callable[[str], bool] | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._hosts = tuple(hosts)
        self._resolve = resolve or _looked_up
        self._may_reach = may_reach or is_public
        self._deadline_s = deadline_s

    def get(self, url: str, into: BinaryIO, *, max_bytes: int) -> str:
        """Write what is at an address into a file.

        Returns:
            What the address calls it; may be empty.

        Raises:
            InvalidInput: Field `url`: malformed, not allowed, not public, not there, or not in time.
            TooLarge: More than `max_bytes`.
        """
        timer = gevent.Timeout.start_new(self._deadline_s)
        try:
            return self._get(url, into, max_bytes)
        except gevent.Timeout as late:
            if late is not timer:
                raise
            raise refusals.wrong(f"did not send the file within {self._deadline_s:g} seconds", field=FIELD) from None
        except (OSError, http.client.HTTPException, ValueError):
            raise refusals.wrong("cannot be reached, or broke off", field=FIELD) from None
        finally:
            timer.close()

    def _get(self, url: str, into: BinaryIO, max_bytes: int) -> str:
        for _ in range(MAX_REDIRECTS + 1):
            target = self._allowed(url)
            with closing(self._connected(target)) as connection, closing(_asked(connection, target)) as response:
                location = response.getheader("Location")
                if response.status not in _REDIRECTS or not location:
                    _copy(response, into, max_bytes)
                    return unquote(target.path.rpartition("/")[2], errors="replace")
            url = urljoin(url, location)
        raise refusals.wrong("leads from one address to another too often", field=FIELD)

    def _allowed(self, url: str) -> SplitResult:
        """The address in its parts, if it may be asked."""
        target = _split(url)
        host, port = (target.hostname or "").rstrip("."), target.port or _PORTS[target.scheme]
        names = {host} if port == _PORTS[target.scheme] else set()
        if not any(_fits(rule, name) for rule in self._hosts for name in (*names, f"{host}:{port}")):
            raise refusals.wrong("is not on a host that files may be fetched from; upload the file itself", field=FIELD)
        return target

    def _connected(self, target: SplitResult) -> http.client.HTTPConnection:
        host, port = target.hostname or "", target.port or _PORTS[target.scheme]
        found = self._resolve(host, port)
        # One private answer among public ones is somebody's try.
        if not found or not all(self._may_reach(address) for _, address in found):
            raise refusals.wrong("does not lead to the public network", field=FIELD)
        connection = http.client.HTTPConnection(host, port, timeout=self._deadline_s)
        # It must not look the name up again by itself.
        connection.auto_open = 0
        connection.sock = _socket(found, port, self._deadline_s)
        if target.scheme == "https":
            try:
                connection.sock = _tls().wrap_socket(connection.sock, server_hostname=host)
            except BaseException:
                connection.close()
                raise
        return connection


def is_public(address: str) -> bool:
    """Whether an address is on the public network, and not one that leads back into ours."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return _is_public_ipv4(parsed)
    for network, shift in _HOLDING:
        if parsed in network:
            return _is_public_ipv4(ipaddress.IPv4Address(int(parsed) >> shift & 0xFFFFFFFF))
    return parsed in _UNICAST and parsed.is_global


def _is_public_ipv4(address: ipaddress.IPv4Address) -> bool:
    return address.is_global and not address.is_multicast


def _split(url: str) -> SplitResult:
    """The parts of an address.

    Raises:
        InvalidInput: Malformed, or with what no address of a file has.
    """
    try:
        target = urlsplit(url)
        host = target.hostname or ""
        is_good = target.scheme in _PORTS and target.port != 0 and bool(_HOST.fullmatch(host))
    except ValueError:
        raise refusals.wrong("is not an address", field=FIELD) from None
    if len(url) > MAX_URL_CHARS or not is_good or not url.isascii() or any(letter <= " " for letter in url):
        raise refusals.wrong("must be an address that begins with https:// or http://", field=FIELD)
    if target.username is not None or target.password is not None:
        raise refusals.wrong("must not hold a name or a password", field=FIELD)
    return target


def _fits(rule: str, name: str) -> bool:
    return name == rule or (rule.startswith("*.") and name.endswith(rule[1:]))


def _looked_up(host: str, port: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, str(address[0])) for family, _, _, _, address in found]


def _socket(addresses: Sequence[Address], port: int, timeout_s: float) -> socket.socket:
    """A connection to the first address that takes one."""
    failure: OSError = OSError("no address")
    for position, (family, address) in enumerate(addresses):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            # One that swallows packets must not use up the time of the others.
            sock.settimeout(timeout_s / (len(addresses) - position + 1))
            sock.connect((address, port))
            sock.settimeout(timeout_s)
        except BaseException as problem:
            sock.close()
            if not isinstance(problem, OSError):
                raise
            failure = problem
        else:
            return sock
    raise failure


@functools.cache
def _tls() -> ssl.SSLContext:
    # Made once: it reads hundreds of certificates.
    return ssl.create_default_context()


def _asked(connection: http.client.HTTPConnection, target: SplitResult) -> http.client.HTTPResponse:
    path = target.path or "/"
    headers = {
        "Host": target.netloc,
        "User-Agent": "Rill",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    connection.request("GET", f"{path}?{target.query}" if target.query else path, headers=headers)
    return connection.getresponse()


def _copy(response: http.client.HTTPResponse, into: BinaryIO, max_bytes: int) -> None:
    if response.status != 200:
        raise refusals.wrong(f"answered {response.status} instead of a file", field=FIELD)
    # What was not asked for could be a bomb.
    if response.getheader("Content-Encoding", "identity").lower() not in {"", "identity"}:
        raise refusals.wrong("sent the file compressed", field=FIELD)
    left = max_bytes - (response.length or 0)
    if left >= 0:
        left = max_bytes
        while left >= 0 and (data := response.read1(_PIECE_BYTES)):
            left -= len(data)
            into.write(data)
    if left < 0:
        raise refusals.too_large(max_bytes // (1024 * 1024))
    if response.length or left == max_bytes:
        raise http.client.IncompleteRead(b"")
