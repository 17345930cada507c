"""What a broker of ours shows to clients that speak TLS.

Receives the paths of PEM files from whoever wants such a broker, hands its configuration to the
ways that start one.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class TlsListener:
    """A second port, for TLS. Clients may show a certificate, or must; it has to come from `ca`."""

    ca: Path
    cert: Path
    key: Path
    is_strict: bool = False

    def configuration(self, address: str, directory: Path | None = None) -> str:
        """Lines of `rabbitmq.conf`; with a `directory` if the files lie there for the broker."""

        def place(path: Path) -> Path:
            return directory / path.name if directory else path.resolve()

        return (
            f"listeners.ssl.1 = {address}\n"
            f"ssl_options.cacertfile = {place(self.ca)}\n"
            f"ssl_options.certfile = {place(self.cert)}\n"
            f"ssl_options.keyfile = {place(self.key)}\n"
            "ssl_options.verify = verify_peer\n"
            f"ssl_options.fail_if_no_peer_cert = {str(self.is_strict).lower()}\n"
        )
