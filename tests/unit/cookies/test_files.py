"""Keys of files, and the URL of one."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from handlers.cookies.files import Person, folder, presigned_get, report_key, slug
from handlers.shared.clients import client
from handlers.shared.errors import InvalidEventError

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:cookies:one"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ann Lee", "ann-lee"),
        ("Åsa Öberg", "asa-oberg"),
        ("O'Neil", "oneil"),
        ("O’Neil", "oneil"),
        ("a/b\\c", "a-b-c"),
        ('The "Q"', "the-q"),
        ("Dr. No", "dr-no"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("😀", "unnamed"),
        ("Ann 😀", "ann"),
        ("李小龍", "unnamed"),
        ("\ud800 Ann", "ann"),
        ("x" * 200, "x" * 60),
        ("Ann\nLee\x00", "ann-lee"),
    ],
)
def test_a_slug_is_safe_in_any_key(name: str, expected: str) -> None:
    assert slug(name) == expected
    assert re.fullmatch(r"[a-z0-9-]{1,60}", slug(name))


def test_files_are_in_the_folder_of_their_execution() -> None:
    person = Person(EXECUTION, 3, "Ann Lee")

    assert folder(EXECUTION) == "one"
    assert person.basic_key == "one/basic-3-ann-lee.json"
    assert person.final_key == "one/final-3-ann-lee.json"
    assert report_key(EXECUTION) == "one/0-cookies.json"


def test_people_of_the_same_name_have_files_of_their_own() -> None:
    assert Person(EXECUTION, 0, "Ann").final_key != Person(EXECUTION, 1, "Ann").final_key


@pytest.mark.parametrize(
    "detail",
    [
        pytest.param({"n": -1, "name": "Ann"}, id="below-0"),
        pytest.param({"n": "1", "name": "Ann"}, id="a-text"),
        pytest.param({"n": True, "name": "Ann"}, id="a-truth"),
        pytest.param({"n": 1.0, "name": "Ann"}, id="a-fraction"),
        pytest.param({"n": 1, "name": ["Ann"]}, id="a-list-of-names"),
        pytest.param({"n": 1, "name": "\ud800"}, id="half-a-character"),
    ],
)
def test_an_invalid_person_is_refused(detail: dict[str, Any]) -> None:
    with pytest.raises(InvalidEventError, match="must be"):
        Person.from_detail(detail | {"execution": EXECUTION})


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "a-bucket.s3.amazonaws.com"),
        # Not by way of us-east-1, whose redirect would break the signature.
        ("eu-central-1", "a-bucket.s3.eu-central-1.amazonaws.com"),
    ],
)
def test_a_url_is_valid_for_15_minutes(
    monkeypatch: pytest.MonkeyPatch, region: str, host: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    client.cache_clear()

    url = urlsplit(presigned_get("a-bucket", "one/basic-0-ann.json"))

    query = parse_qs(url.query)
    assert (url.scheme, url.netloc, url.path) == ("https", host, "/one/basic-0-ann.json")
    assert query["X-Amz-Expires"] == ["900"]
    # Version 2 is refused by every bucket made since 2020.
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
