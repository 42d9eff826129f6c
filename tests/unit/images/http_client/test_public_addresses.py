"""Which addresses images may be downloaded from: the same on every Python."""

import ipaddress
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.images.http_client.public_addresses import is_public

PUBLIC = ["8.8.8.8", "1.1.1.1", "193.0.14.129", "2606:4700:4700::1111", "2a00:1450:4001:82a::200e"]
NOT_PUBLIC = {
    "loopback": "127.0.0.1",
    "loopback, another": "127.8.9.10",
    "loopback, IPv6": "::1",
    "private 10": "10.0.0.1",
    "private 172.16": "172.31.255.254",
    "private 192.168": "192.168.1.1",
    "unique local": "fd12:3456:789a::1",
    "link-local": "169.254.1.1",
    "link-local, IPv6": "fe80::1",
    "link-local with a zone": "fe80::1%eth0",
    "public with a zone": "2606:4700:4700::1111%eth0",
    "metadata": "169.254.169.254",
    "metadata, IPv6": "fd00:ec2::254",
    "container credentials": "169.254.170.2",
    "carrier-grade NAT": "100.64.0.1",
    "this network": "0.0.0.0",
    "unspecified, IPv6": "::",
    "multicast": "224.0.0.1",
    "multicast, the last": "239.255.255.255",
    "multicast, IPv6": "ff02::1",
    "broadcast": "255.255.255.255",
    "site-local": "fec0::1",
    "not assigned to hosts, IPv6": "4000::1",
    "IPv4-mapped loopback": "::ffff:127.0.0.1",
    "IPv4-mapped metadata": "::ffff:a9fe:a9fe",
    "6to4 of a private address": "2002:0a00:0001::1",
    "6to4 of a public address": "2002:808:808::1",
    "NAT64 of loopback": "64:ff9b::7f00:1",
    "NAT64 of metadata": "64:ff9b::169.254.169.254",
    "Teredo of a private address": "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    "IPv4-compatible loopback": "::127.0.0.1",
    "no address": "example.com",
    "empty": "",
}

# The two registries as they were on 2025-10-09, every row: whether IANA calls the block globally
# reachable. "N/A" is False: what is not said to be reachable is not public.
# https://www.iana.org/assignments/iana-ipv4-special-registry/
# https://www.iana.org/assignments/iana-ipv6-special-registry/
REGISTRIES = {
    "0.0.0.0/8": False,
    "0.0.0.0/32": False,
    "10.0.0.0/8": False,
    "100.64.0.0/10": False,
    "127.0.0.0/8": False,
    "169.254.0.0/16": False,
    "172.16.0.0/12": False,
    "192.0.0.0/24": False,
    "192.0.0.0/29": False,
    "192.0.0.8/32": False,
    "192.0.0.9/32": True,
    "192.0.0.10/32": True,
    "192.0.0.170/32": False,
    "192.0.0.171/32": False,
    "192.0.2.0/24": False,
    "192.31.196.0/24": True,
    "192.52.193.0/24": True,
    "192.88.99.0/24": False,
    "192.88.99.2/32": False,
    "192.168.0.0/16": False,
    "192.175.48.0/24": True,
    "198.18.0.0/15": False,
    "198.51.100.0/24": False,
    "203.0.113.0/24": False,
    "240.0.0.0/4": False,
    "255.255.255.255/32": False,
    "::1/128": False,
    "::/128": False,
    "64:ff9b:1::/48": False,
    "100::/64": False,
    "100:0:0:1::/64": False,
    "2001::/23": False,
    "2001::/32": False,
    "2001:1::1/128": True,
    "2001:1::2/128": True,
    "2001:1::3/128": True,
    "2001:2::/48": False,
    "2001:3::/32": True,
    "2001:4:112::/48": True,
    "2001:10::/28": False,
    "2001:20::/28": True,
    "2001:30::/28": True,
    "2001:db8::/32": False,
    "2002::/16": False,
    "2620:4f:8000::/48": True,
    "3fff::/20": False,
    "5f00::/16": False,
    "fc00::/7": False,
    "fe80::/10": False,
}
NETWORKS: dict[Any, bool] = {
    ipaddress.ip_network(network): public for network, public in REGISTRIES.items()
}


def registered(address: Any) -> bool | None:
    """What the registries say of an address: the narrowest block counts. None if nothing."""
    matching = [network for network in NETWORKS if address in network]
    return NETWORKS[max(matching, key=lambda network: network.prefixlen)] if matching else None


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC.values(), ids=NOT_PUBLIC)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_an_embedded_public_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_both_ends_of_every_registered_block(network: Any) -> None:
    for address in (network[0], network[-1]):
        assert is_public(str(address)) is registered(address), address


@given(st.sampled_from(list(NETWORKS)).flatmap(lambda block: st.ip_addresses(network=block)))
def test_every_address_of_a_registered_block(address: Any) -> None:
    assert is_public(str(address)) is registered(address)


@given(st.ip_addresses(network="0.0.0.0/0"))
def test_an_unregistered_ipv4_address_is_public_unless_multicast(address: Any) -> None:
    expected = registered(address)
    if expected is None:
        expected = address not in ipaddress.ip_network("224.0.0.0/4")

    assert is_public(str(address)) is expected
    assert is_public(f"::ffff:{address}") is expected


@given(st.ip_addresses(network="2000::/3"))
def test_an_unregistered_ipv6_address_is_public(address: Any) -> None:
    assert is_public(str(address)) is (registered(address) is not False)


@given(st.text(max_size=50))
def test_any_text_is_accepted_as_input(text: str) -> None:
    assert is_public(text) in (True, False)


def test_pythons_own_tables_are_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """3.11.7 and 3.13 have different tables; the Lambda runtime may have yet another."""

    def refuse(_: Any) -> NoReturn:
        raise AssertionError("asked ipaddress")

    for kind in (ipaddress.IPv4Address, ipaddress.IPv6Address):
        for name in ("is_global", "is_private", "is_reserved", "is_multicast", "is_link_local"):
            monkeypatch.setattr(kind, name, property(refuse))

    for address in [*PUBLIC, *NOT_PUBLIC.values()]:
        assert is_public(address) is (address in PUBLIC)
