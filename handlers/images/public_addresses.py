"""Which IP addresses belong to the public internet."""

import ipaddress

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291: all that is assigned to hosts
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address behind a translator


def is_public(address: str) -> bool:
    """Whether a host of the public internet may have this address.

    Not public: private, loopback, link-local (where clouds keep their metadata), shared, reserved,
    documentation, benchmark, multicast and unspecified addresses, and IPv6 addresses that carry
    such an IPv4 address.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    inner = _embedded(ip)
    if inner is not None:
        return is_public(str(inner))
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _GLOBAL_UNICAST:
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _embedded(ip: IpAddress) -> ipaddress.IPv4Address | None:
    """The IPv4 address to which packets for an IPv6 address really go, if it is such a one."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
