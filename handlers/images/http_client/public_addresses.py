"""Decides which IP addresses belong to the public internet.

We have our own tables, because `is_global` of `ipaddress` changes between Python releases. They
follow the two registries of IANA as of 2025-10-09. A block that is not marked as globally reachable
there ("False" or "N/A") is not public.
https://www.iana.org/assignments/iana-ipv4-special-registry/
https://www.iana.org/assignments/iana-ipv6-special-registry/
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_NOT_PUBLIC_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared: carrier-grade NAT
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local, with the metadata services of clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays, deprecated (RFC 7526)
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast (RFC 5771)
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
_PUBLIC_V4 = tuple(map(IPv4Network, ("192.0.0.9/32", "192.0.0.10/32")))  # PCP and TURN anycast

# RFC 4291: everything that is assigned to hosts. This excludes loopback, unique local, link-local,
# site-local and multicast, 64:ff9b:1::/48 (local NAT64), 100::/64 (discard), 5f00::/16 (SRv6).
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, deprecated (RFC 7526): an IPv4 address behind a relay
            "3fff::/20",  # documentation
        ),
    )
)
_PUBLIC_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001:1::1/128",  # PCP anycast
            "2001:1::2/128",  # TURN anycast
            "2001:1::3/128",  # DNS-SD anycast
            "2001:3::/32",  # AMT
            "2001:4:112::/48",  # AS112
            "2001:20::/28",  # ORCHIDv2
            "2001:30::/28",  # drone remote ID
        ),
    )
)
# IPv6 addresses that contain an IPv4 address; packets go to the IPv4 address.
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052


def is_public(address: str) -> bool:
    """Whether a host of the public internet may have this address.

    Not public: private, loopback, link-local, shared, reserved, documentation, benchmark,
    multicast and unspecified addresses, and IPv6 addresses that stand for such an IPv4 address.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv4Address):
        return _is_public_v4(ip)
    if ip in _MAPPED or ip in _NAT64:
        return _is_public_v4(IPv4Address(int(ip) & 0xFFFFFFFF))
    return _is_public_v6(ip)


def _is_public_v4(ip: IPv4Address) -> bool:
    refused = any(ip in network for network in _NOT_PUBLIC_V4)
    return not refused or any(ip in network for network in _PUBLIC_V4)


def _is_public_v6(ip: IPv6Address) -> bool:
    if ip.scope_id or ip not in _GLOBAL_UNICAST:  # with a zone id, an address is local to this host
        return False
    refused = any(ip in network for network in _NOT_PUBLIC_V6)
    return not refused or any(ip in network for network in _PUBLIC_V6)
