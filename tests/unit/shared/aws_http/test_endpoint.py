"""Endpoints, regions and credentials are those that boto3 finds."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.credentials import RefreshableCredentials

from handlers.shared.aws_http import endpoint as module
from handlers.shared.aws_http.endpoint import Endpoint, endpoint, trusted_certificates
from handlers.shared.aws_http.signature import Credentials
from handlers.shared.clients import client
from tests.support.asl import ROOT

REGIONS = [
    "us-east-1",
    "eu-central-1",
    "ap-southeast-7",
    "mx-central-1",
    "cn-north-1",
    "us-gov-west-1",
]


as_botocore = module._from_botocore


def same(one: Endpoint, other: Endpoint) -> bool:
    return one[:3] == other[:3] and one.credentials() == other.credentials()


@pytest.fixture
def set_env(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set variables."""

    def set_variables(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        client.cache_clear()

    return set_variables


@pytest.fixture
def no_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("botocore was asked")

    monkeypatch.setattr(module, "_from_botocore", refuse)


@pytest.mark.parametrize("service", ["dynamodb", "s3"])
@pytest.mark.parametrize("region", REGIONS)
def test_every_region_has_botocores_endpoint(set_env: Any, region: str, service: str) -> None:
    set_env(AWS_DEFAULT_REGION=region, AWS_SESSION_TOKEN="a token")
    bucket = "a-bucket-1" if service == "s3" else None

    assert same(endpoint(service, bucket), as_botocore(service, bucket))


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566/"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566/aws/here"},
        {"AWS_ENDPOINT_URL_DYNAMODB": "https://10.0.0.1", "AWS_ENDPOINT_URL_S3": "http://10.0.0.1"},
        {"AWS_ENDPOINT_URL_S3": "http://10.0.0.1", "AWS_ENDPOINT_URL": "http://10.0.0.2:80"},
    ],
    ids=str,
)
@pytest.mark.parametrize(("service", "bucket"), [("dynamodb", None), ("s3", "a-bucket")])
@pytest.mark.usefixtures("no_botocore")
def test_endpoint_urls_are_heeded(
    set_env: Any, variables: dict[str, str], service: str, bucket: str | None
) -> None:
    set_env(**variables)
    expected = as_botocore(service, bucket)

    assert same(endpoint(service, bucket), expected)


@pytest.mark.parametrize(
    ("variables", "bucket"),
    [
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "a-bucket"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "a-bucket"),
        ({"AWS_ACCOUNT_ID": "123456789012"}, None),
        ({"AWS_ENDPOINT_URL": "http://localhost:4566"}, "a-bucket"),
        ({"AWS_ENDPOINT_URL": "http://h:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, None),
        ({}, "with.dots"),
        ({}, "UPPER-case_1"),
    ],
    ids=str,
)
def test_anything_unusual_is_left_to_botocore(
    set_env: Any, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], bucket: str | None
) -> None:
    set_env(**variables)
    asked = []
    monkeypatch.setattr(module, "_from_botocore", lambda *of: asked.append(of) or as_botocore(*of))
    service = "dynamodb" if bucket is None else "s3"

    assert same(endpoint(service, bucket), as_botocore(service, bucket))
    assert asked == [(service, bucket)]


def test_a_profile_is_left_to_botocore(
    set_env: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Given a person's configuration, as `aws configure` writes it
    config = tmp_path / "config"
    config.write_text(
        "[profile p]\nregion = eu-west-3\naws_access_key_id = A\naws_secret_access_key = B\n"
    )
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    set_env(AWS_CONFIG_FILE=str(config), AWS_PROFILE="p")

    found = endpoint("dynamodb")

    assert found.url == "https://dynamodb.eu-west-3.amazonaws.com"
    assert found.region == "eu-west-3"
    assert found.credentials() == Credentials("A", "B", None)


def test_expired_credentials_are_refreshed(set_env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given credentials that botocore refreshes, as those of a container
    keys = map(str, count(1))

    def refresh() -> dict[str, str]:
        expiry = datetime.now(UTC) + timedelta(seconds=1)  # so they must be refreshed at once
        return {
            "access_key": next(keys),
            "secret_key": "s",
            "token": "t",
            "expiry_time": expiry.isoformat(),
        }

    credentials = RefreshableCredentials.create_from_metadata(refresh(), refresh, "a-container")
    set_env(AWS_CREDENTIAL_EXPIRATION="2099-01-01T00:00:00Z")
    monkeypatch.setattr(
        botocore.session.Session, "get_credentials", lambda self, *_, **__: credentials
    )
    found = endpoint("dynamodb")

    first, second = (int(found.credentials().access_key) for _ in range(2))
    assert second == first + 1


def test_replaced_variables_are_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    found = endpoint("dynamodb")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "with a token")
    assert found.credentials() == Credentials("another", "test", "with a token")


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://h.example", "h.example", ""),
        ("https://h.example:443/b", "h.example", "/b"),
        ("http://h.example:80", "h.example", ""),
        ("http://h.example:443", "h.example:443", ""),
        ("http://127.0.0.1:4566/b", "127.0.0.1:4566", "/b"),
    ],
)
def test_the_host_header_has_no_default_port(url: str, host: str, path: str) -> None:
    place = Endpoint("s3", url, "eu-west-1", lambda: Credentials("a", "b"))
    assert (place.host, place.path) == (host, path)


def test_botocore_is_not_loaded_on_lambda() -> None:
    code = (
        "import sys; from handlers.shared.aws_http.endpoint import endpoint;"
        "endpoint('s3', 'a-bucket'); endpoint('dynamodb');"
        "sys.exit('botocore' in sys.modules or 'boto3' in sys.modules)"
    )
    env = {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_SESSION_TOKEN": "c",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_REGION": "eu-west-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "HOME": "/nonexistent",
        "PATH": os.environ["PATH"],
    }
    assert subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT).returncode == 0


def test_the_trusted_certificates_are_botocores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from botocore.httpsession import get_cert_path

    assert Path(trusted_certificates()).samefile(get_cert_path(True))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path))
    assert trusted_certificates() == str(tmp_path)
