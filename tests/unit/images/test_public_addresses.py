"""Which addresses images may be downloaded from."""

import pytest

from handlers.images.public_addresses import is_public

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
    "metadata": "169.254.169.254",
    "metadata, IPv6": "fd00:ec2::254",
    "container credentials": "169.254.170.2",
    "carrier-grade NAT": "100.64.0.1",
    "this network": "0.0.0.0",
    "unspecified, IPv6": "::",
    "protocol assignments": "192.0.0.1",
    "documentation": "192.0.2.1",
    "documentation, IPv6": "2001:db8::1",
    "benchmarks": "198.18.0.1",
    "multicast": "224.0.0.1",
    "multicast, IPv6": "ff02::1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "site-local": "fec0::1",
    "discard only": "100::1",
    "IPv4-mapped loopback": "::ffff:127.0.0.1",
    "IPv4-mapped metadata": "::ffff:a9fe:a9fe",
    "6to4 of a private address": "2002:0a00:0001::1",
    "NAT64 of loopback": "64:ff9b::7f00:1",
    "NAT64 of metadata": "64:ff9b::169.254.169.254",
    "NAT64 for local use": "64:ff9b:1::1",
    "Teredo of a private address": "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    "IPv4-compatible loopback": "::127.0.0.1",
    "no address": "example.com",
    "empty": "",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC.values(), ids=NOT_PUBLIC)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"])
def test_an_embedded_public_address_is_public(address: str) -> None:
    assert is_public(address)
