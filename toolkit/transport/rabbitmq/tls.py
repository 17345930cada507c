"""Whom to trust and who we are, on connections that speak TLS.

Receives paths of PEM files from the service's settings, hands `ssl` contexts to connections.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_KEY = "PRIVATE KEY-----"  # after RSA, EC, ENCRYPTED or nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files: the CAs that a broker's certificate may come from (without any, the system's),
    and the certificate and key that we show to a broker that asks.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A new one, from what is in the files now: they may be renewed while a service runs.

        It verifies the broker's certificate and host name, always. Raises ValueError with a
        sentence about the file that can't be used.
        """
        context = trusting(self.ca)
        if self.cert is not None:
            identify(context, self.cert, self.key)
        return context


def trusting(ca: Path | None) -> ssl.SSLContext:
    """A context that trusts the certificates in this file, or those that the system trusts."""
    if ca is None:
        return ssl.create_default_context()
    require_certificate(ca)
    try:
        return ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        raise ValueError(f"{ca} has a certificate that can't be read: {_text(error)}") from error


def identify(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    """Lets the context show this certificate. Without `key`, its key is in the same file."""
    require_certificate(cert)
    if key is None and _KEY not in _content(cert):
        raise ValueError(f"is not set, and {cert} holds no private key; set it to the key's file")
    if key is not None and _KEY not in _content(key):
        raise ValueError(f"{key} holds no private key in PEM format")

    def refuse() -> NoReturn:  # without this, OpenSSL would ask for the password on the terminal
        raise ValueError(
            f"{key or cert} is encrypted; give the key without a password: `openssl pkey -in "
            f"{key or cert} -out FILE`"
        )

    try:
        context.load_cert_chain(cert, key, refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"{key or cert} is not the key of the certificate {cert}") from error
        raise ValueError(f"{key or cert} can't be used: {_text(error)}") from error


def require_certificate(path: Path) -> None:
    """Raises ValueError where there is none."""
    if _CERTIFICATE not in _content(path):
        raise ValueError(
            f"{path} holds no certificate in PEM format, which begins with '{_CERTIFICATE}'; "
            "`openssl x509 -inform der -in FILE` makes it from DER"
        )


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError as error:
        raise ValueError(f"there is no file {path}") from error
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from error


def _text(error: ssl.SSLError) -> str:
    return error.reason or str(error)
