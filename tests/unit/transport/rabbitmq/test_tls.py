"""Files for TLS are read with care: what can't be used is named, and verifying can't be lost."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.certificates import Authority, Certificate
from toolkit.transport.rabbitmq.tls import Tls


@pytest.fixture
def ours(authority: Authority) -> Certificate:
    """One that a service may show."""
    return authority.issue("shop.example.com")


def test_certificate_and_host_name_are_always_verified(
    authority: Authority, ours: Certificate
) -> None:
    """Whichever files there are."""
    for tls in (
        Tls(),
        Tls(ca=authority.path),
        Tls(ca=authority.path, cert=ours.cert, key=ours.key),
    ):
        context = tls.context()
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


def test_only_the_authorities_in_the_file_are_trusted(authority: Authority) -> None:
    """They stand in the place of the system's."""
    assert len(Tls(ca=authority.path).context().get_ca_certs()) == 1


def test_certificate_and_key_may_be_in_one_file(ours: Certificate, tmp_path: Path) -> None:
    """As some tools write them."""
    both = tmp_path / "both.pem"
    both.write_text(ours.key.read_text() + ours.cert.read_text())
    Tls(cert=both).context()


def encrypted(key: Path) -> bytes:
    """The same key under a password."""
    return load_pem_private_key(key.read_bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2")
    )


Spoil = Callable[[Certificate], bytes]

UNUSABLE: dict[str, tuple[Spoil, Spoil, str]] = {
    "no certificate": (lambda _: b"", lambda c: c.key.read_bytes(), "cert.pem holds no cert"),
    "DER": (lambda _: b"0\x82\x03", lambda c: c.key.read_bytes(), "x509 -inform der"),
    "cut off": (
        lambda c: c.cert.read_bytes()[:200],
        lambda c: c.key.read_bytes(),
        "can't be used",
    ),
    "no key": (lambda c: c.cert.read_bytes(), lambda c: c.cert.read_bytes(), "no private key"),
    "under a password": (
        lambda c: c.cert.read_bytes(),
        lambda c: encrypted(c.key),
        "openssl pkey",
    ),
}


@pytest.mark.parametrize(("cert", "key", "said"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_can_not_be_used_is_named(
    cert: Spoil, key: Spoil, said: str, ours: Certificate, tmp_path: Path
) -> None:
    """With what is wrong, and nobody is asked for a password on a terminal."""
    spoiled = Tls(cert=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    (tmp_path / "cert.pem").write_bytes(cert(ours))
    (tmp_path / "key.pem").write_bytes(key(ours))
    with pytest.raises(ValueError, match=said) as caught:
        spoiled.context()
    assert str(tmp_path) in str(caught.value)


def test_authorities_that_can_not_be_read_are_named(authority: Authority, tmp_path: Path) -> None:
    """A directory is no file, and half a certificate none."""
    with pytest.raises(ValueError, match=f"{tmp_path} can't be read: Is a directory"):
        Tls(ca=tmp_path).context()
    half = tmp_path / "half.pem"
    half.write_bytes(authority.path.read_bytes()[:300])
    with pytest.raises(ValueError, match=f"{half} has a certificate that can't be read"):
        Tls(ca=half).context()
