"""A certificate authority of our own.

Receives the names that a certificate is for, hands out PEM files as brokers and services want them.
"""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import trustme


class Certificate(NamedTuple):
    """One certificate and its key, as files."""

    cert: Path
    key: Path


class Authority:
    """What it signs is trusted by whoever trusts the certificate at `path`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._authority = trustme.CA()
        self._issued = 0
        self.path = directory / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.path))

    def issue(
        self, *names: str, not_before: datetime | None = None, not_after: datetime | None = None
    ) -> Certificate:
        """A certificate for these host names and addresses; a client's may have any."""
        made = self._authority.issue_cert(*names, not_before=not_before, not_after=not_after)
        self._issued += 1
        cert = self._directory / f"certificate-{self._issued}.pem"
        key = self._directory / f"key-{self._issued}.pem"
        cert.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        made.private_key_pem.write_to_path(str(key))
        return Certificate(cert, key)
