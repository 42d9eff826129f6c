"""Downloads over real sockets, from servers on this machine."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from handlers.images.http_client import connections
from handlers.images.http_client.connections import Resolver, resolve_any
from handlers.images.http_client.fetch import Fetcher, Limits
from tests.unit.fixtures import context, fresh_clients

__all__ = ["context", "fresh_clients"]

LIMITS = Limits(max_bytes=100_000, connect_seconds=4, read_seconds=4)  # never reached
# For servers that hang: a test waits for such a limit in each of three attempts.
SHORT_LIMITS = Limits(max_bytes=100_000, connect_seconds=0.2, read_seconds=0.2)


def fetcher(
    resolve: Resolver = resolve_any, *, limits: Limits = LIMITS, trusted: str | bool = True
) -> Fetcher:
    """A fetcher that may reach this machine, and does not pause between attempts."""
    return Fetcher(resolve, limits, connections=8, backoff=lambda _: 0.0, trusted=trusted)


@pytest.fixture
def brief_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection is reused after 10 ms of silence.

    For tests whose servers send nothing after a response; test_surplus.py is about those that do.
    """
    monkeypatch.setattr(connections, "QUIET_SECONDS", 0.01)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of images.example, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "images.example")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("images.example")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "images.example.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + signed.public_bytes(Encoding.PEM)
    )
    return path
