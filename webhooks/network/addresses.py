"""Which addresses the product may connect to. Pure: it judges an address, never a text that becomes one.

Public addresses are fine. Private ones need `allow_private` on the connection or an entry in
OUTBOUND_ALLOW. Metadata services, link-local, multicast, reserved and tunnelling ranges need an
OUTBOUND_ALLOW entry that lies inside that very range, so that a wide entry never opens them by accident.
Sources: the IANA special-purpose registries (RFC 6890), RFC 6052 and 8215 (NAT64), 3056 (6to4), 4380 (Teredo).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SETTING = "OUTBOUND_ALLOW"

# Never opened by allow_private. The first range that holds an address names it; narrow before wide.
GUARDED: tuple[tuple[str, Network], ...] = tuple(
    (what, ipaddress.ip_network(text))
    for what, text in (
        ("a cloud metadata service", "169.254.169.254/32"),
        ("a cloud metadata service", "169.254.170.0/24"),
        ("a cloud metadata service", "100.100.100.200/32"),
        ("a cloud metadata service", "168.63.129.16/32"),
        ("a cloud metadata service", "192.0.0.192/32"),
        ("a cloud metadata service", "fd00:ec2::/32"),
        ("a cloud metadata service", "fd20:ce::254/128"),
        ("a link-local address", "169.254.0.0/16"),
        ("a link-local address", "fe80::/10"),
        ("an unspecified address", "0.0.0.0/32"),
        ("an unspecified address", "::/128"),
        ("an address of this network", "0.0.0.0/8"),
        ("a protocol assignment", "192.0.0.0/24"),
        ("a documentation address", "192.0.2.0/24"),
        ("a documentation address", "198.51.100.0/24"),
        ("a documentation address", "203.0.113.0/24"),
        ("a documentation address", "2001:db8::/32"),
        ("a documentation address", "3fff::/20"),
        ("a 6to4 relay address", "192.88.99.0/24"),
        ("a benchmark address", "198.18.0.0/15"),
        ("a multicast address", "224.0.0.0/4"),
        ("a multicast address", "ff00::/8"),
        ("a reserved address", "240.0.0.0/4"),
        ("a site-local address", "fec0::/10"),
        ("a Teredo tunnel address", "2001::/32"),
        ("a protocol assignment", "2001::/23"),
        ("a 6to4 tunnel address", "2002::/16"),
        ("a local NAT64 address", "64:ff9b:1::/48"),
        ("a discard-only address", "100::/64"),
        ("a segment routing address", "5f00::/16"),
    )
)

PRIVATE: tuple[tuple[str, Network], ...] = tuple(
    (what, ipaddress.ip_network(text))
    for what, text in (
        ("a loopback address", "127.0.0.0/8"),
        ("a loopback address", "::1/128"),
        ("a private address", "10.0.0.0/8"),
        ("a private address", "172.16.0.0/12"),
        ("a private address", "192.168.0.0/16"),
        ("a private address", "fc00::/7"),
        ("a shared address (carrier NAT)", "100.64.0.0/10"),
    )
)

MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
COMPATIBLE = ipaddress.IPv6Network("::/96")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

_HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class AllowList:
    """The addresses and host names OUTBOUND_ALLOW adds to the public internet.

    A host name (`crm.internal`, `*.svc.internal`) counts as `allow_private` for that host alone.
    """

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def parse(cls, entries: str | Iterable[str]) -> AllowList:
        """From text separated by commas or blanks, or a list. ValueError names the entry that is neither."""
        items = re.split(r"[\s,]+", entries) if isinstance(entries, str) else [str(entry).strip() for entry in entries]
        networks: list[Network] = []
        hosts: set[str] = set()
        for item in filter(None, items):
            try:
                networks.append(ipaddress.ip_network(item.strip("[]"), strict=False))
            except ValueError:
                hosts.add(_host_entry(item))
        return cls(networks=tuple(networks), hosts=frozenset(hosts))

    def lists_host(self, host: str) -> bool:
        """True for a listed name, or one below a listed `*.` name; never for "" or an address."""
        name = plain_host(host)
        if not name:
            return False
        below = {"*" + name[index:] for index, letter in enumerate(name) if letter == "."}
        return name in self.hosts or not below.isdisjoint(self.hosts)

    def lists(self, address: Address, within: Network | None = None) -> bool:
        """True when an entry holds this address; with `within`, an entry not wider than that range."""
        return any(
            network.version == address.version and address in network and (within is None or _inside(network, within))
            for network in self.networks
        )


def _host_entry(text: str) -> str:
    name = plain_host(text)
    numeric = name.rpartition(".")[2].isdigit()  # "10.0.0" or "300.1.1.1": a mistyped address, not a name
    if not _HOST.fullmatch(name) or numeric:
        raise ValueError(f"{SETTING}: {text!r} is neither an address range (10.0.0.0/8) nor a host name")
    return name


def _inside(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.prefixlen >= outer.prefixlen and inner.network_address in outer


def plain_host(host: str) -> str:
    """Lower case, without the dot at the end: how names are compared."""
    return host.lower().removesuffix(".")


def refusal(address: str, *, allow: AllowList | None = None, host: str = "", allow_private: bool = False) -> str | None:
    """Why this address may not be connected to, in one sentence that names the setting; None when it may.

    `address`: as in a socket address. Anything that is not one is refused. `host`: the name that led to it.
    """
    allow = allow or AllowList()
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"Refused to connect to {address[:80]!r}: it is not an IP address."
    kind, within = _judge(found)
    if kind is None:
        return None
    mapped = _mapped(found)
    listed = allow.lists(found, within) or (mapped is not None and allow.lists(mapped, within))
    opened = within is None and (allow_private or allow.lists_host(host))
    return None if listed or opened else _sentence(found, host, kind, guarded=within is not None)


def _judge(address: Address) -> tuple[str | None, Network | None]:
    """(what it is, the guarded range it lies in). (None, None): public; a range of None: allow_private opens it."""
    if isinstance(address, ipaddress.IPv6Address):
        mapped = _mapped(address)
        if mapped is not None:
            return _judge(mapped)
        if address in NAT64:
            inner, _ = _judge(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
            return (f"the NAT64 form of {inner}", NAT64) if inner else (None, None)
        if address in COMPATIBLE and int(address) > 1:
            return "an obsolete IPv4-compatible address", COMPATIBLE
    for what, network in GUARDED:
        if address.version == network.version and address in network:
            return what, network
    for what, network in PRIVATE:
        if address.version == network.version and address in network:
            return what, None
    if not address.is_global or address.is_multicast or address.is_reserved:
        return "not a public address", ipaddress.ip_network(address)
    return None, None


def _mapped(address: Address) -> ipaddress.IPv4Address | None:
    return address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None


def _sentence(address: Address, host: str, kind: str, *, guarded: bool) -> str:
    mapped = _mapped(address)
    shown, entry = (f"{address} ({mapped})", mapped) if mapped else (str(address), address)
    whose = f" for {plain_host(host)}" if host and ":" not in host and host != str(address) else ""
    listing = f"{SETTING}={ipaddress.ip_network(entry or address)}"
    way = (
        f"Only {listing} would allow it." if guarded else f"The connection's allow_private or {listing} would allow it."
    )
    return f"Refused to connect to {shown}{whose}: it is {kind}. {way}"
