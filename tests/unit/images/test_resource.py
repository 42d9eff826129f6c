"""The address that is requested for a URL, and the key of its object."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.images.http_client.errors import DownloadError
from handlers.images.resource import resource, resource_url


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://flags.example/a/x.gif", "flags.example/a/x.gif"),
        ("https://flags.example/b/x.gif", "flags.example/b/x.gif"),
        ("HTTPS://Flags.Example:443/a/x.gif", "flags.example/a/x.gif"),
        ("http://127.0.0.1:8080/x.gif", "127.0.0.1:8080/x.gif"),
        ("https://flags.example/a b.gif", "flags.example/a%20b.gif"),
        ("https://flags.example/a%20b.gif", "flags.example/a%20b.gif"),
        ("https://flags.example/a%2fb.gif", "flags.example/a%2Fb.gif"),
        ("https://flags.example/a/../b.gif", "flags.example/b.gif"),
        ("https://flags.example/../../b.gif", "flags.example/b.gif"),
        ("https://bücher.example/ä.gif", "xn--bcher-kva.example/%C3%A4.gif"),
        ("http://[2001:db8::1]/x.gif", "[2001:db8::1]/x.gif"),
        ("https://flags.example/x.gif#part", "flags.example/x.gif"),
    ],
)
def test_key_is_the_host_and_the_full_path(url: str, key: str) -> None:
    assert resource(url).key == key


def test_a_query_is_part_of_the_key_as_a_hash() -> None:
    plain, first, second = (
        resource(f"https://flags.example/flag.gif{query}").key
        for query in ("", "?code=ad", "?code=ae")
    )

    assert len({plain, first, second}) == 3
    assert first.startswith("flags.example/flag.gif?")


def test_a_long_path_has_a_unique_key_that_s3_accepts() -> None:
    long = "https://flags.example/" + "ä" * 400
    keys = {resource(long + end).key for end in ("x", "y")}

    assert len(keys) == 2
    assert all(len(key) <= 1024 for key in keys)


@given(st.lists(st.text(min_size=1, max_size=30), min_size=2, max_size=2))
def test_two_resources_share_a_key_only_if_they_share_an_address(paths: list[str]) -> None:
    try:
        first, second = (resource(f"https://flags.example/{path}") for path in paths)
    except (DownloadError, UnicodeEncodeError):
        return
    assert (first.key == second.key) == (
        first.address.rstrip("?") == second.address.rstrip("?")
        if "?" not in first.key + second.key
        else first.address == second.address
    )


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://flags.example/x", "Neither http nor https"),
        ("https://user:password@flags.example/x", "Credentials"),
        ("https://user@flags.example/x", "Credentials"),
        ("https://flags.example:99999/x", "Not a valid URL"),
        ("https://fl ags.example/x", "Not a valid URL"),
        ("https:///x", "Not a valid URL"),
        ("https://flags.example/" + "ä" * 1020, "URL longer than 2,048 bytes"),
    ],
    ids=["scheme", "password", "user", "port", "host", "no host", "too long for a key"],
)
def test_an_invalid_url_is_a_download_error(url: str, reason: str) -> None:
    with pytest.raises(DownloadError, match=reason):
        resource(url)


@pytest.mark.parametrize("base", ["https://flags.example/png", "https://flags.example/png/"])
def test_a_slash_stands_between_base_and_path(base: str) -> None:
    assert resource_url(base, "ad/ad.gif") == "https://flags.example/png/ad/ad.gif"
