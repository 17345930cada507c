"""Why no TLS came about, in a sentence that says who has to mend what.

Receives the error of a connection that was not opened, hands a `TlsError` where TLS was the reason.
"""

import asyncio
import ssl
from contextlib import suppress
from typing import Any

from yarl import URL

from toolkit.errors import TlsError
from toolkit.transport.rabbitmq.options import redacted
from toolkit.transport.rabbitmq.tls import Tls

_LOOK_TIMEOUT = 2.0  # seconds for a second connection, which only explains

# Python has no names for them: X509_V_ERR_... in OpenSSL's x509_vfy.h.
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_HOST, _OTHER_ADDRESS = 62, 64

_NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL"}
"""What OpenSSL calls an answer that is no TLS; the second since 3.2."""

_TRANSIENT = "TLSV1_ALERT_INTERNAL_ERROR"  # the one alert that is not about us


async def tls_error(error: BaseException, url: URL, tls: Tls) -> TlsError | None:
    """What is wrong with the TLS of this address, if it is that which kept a connection from
    being opened. Waiting doesn't mend it.
    """
    where = redacted(url)
    match _ssl_error(error):
        case ssl.SSLCertVerificationError() as untrusted:
            return TlsError(await _distrust(untrusted, url, tls))
        case ssl.SSLError(reason=str(reason)) if reason in _NO_TLS:
            return TlsError(
                f"{where} does not speak TLS: use the port of its TLS listener, as a rule 5671, "
                "or an address with amqp://"
            )
        case ssl.SSLError(reason=str(reason)) if "ALERT" in reason and reason != _TRANSIENT:
            return TlsError(f"{where} refused the TLS handshake ({reason}): {_who_we_are(tls)}")
        case None if url.scheme == "amqp" and _was_hung_up(error) and await _speaks_tls(url):
            return TlsError(f"{where} is a port for TLS: use an address with amqps://")
        case _:
            return None


async def _distrust(error: ssl.SSLCertVerificationError, url: URL, tls: Tls) -> str:
    whose = f"the certificate of {redacted(url)}"
    match error.verify_code:
        case code if code in (_OTHER_HOST, _OTHER_ADDRESS):
            return (
                f"{whose} is not for '{url.host}' but for {await _names(url, tls)}: use a host "
                "name that is in the certificate, or have one made that has this name in it"
            )
        case code if code in (_EXPIRED, _NOT_YET_VALID):
            return (
                f"{whose}, or that of its CA, is out of date ({error.verify_message}): renew it, "
                "or set this machine's clock right"
            )
        case _:
            trusted = f"those in {tls.ca}" if tls.ca else "those of this system"
            return (
                f"{whose} is not trusted ({error.verify_message}): it must come from one of the "
                f"CAs in TOOLKIT_TLS_CA, at present {trusted}. `openssl s_client -connect "
                f"{url.host}:{_port(url)}` names the issuer, whose certificate belongs there"
            )


def _who_we_are(tls: Tls) -> str:
    if tls.cert is None:
        return "if it asks for a certificate, set TOOLKIT_TLS_CERT and TOOLKIT_TLS_KEY"
    return f"it may not trust the CA of our certificate, {tls.cert} (TOOLKIT_TLS_CERT)"


async def _names(url: URL, tls: Tls) -> str:
    """What the certificate is for. It is seen only once it is accepted, so its host name is left
    unchecked this one time; nothing is sent.
    """
    with suppress(OSError, TimeoutError, ValueError):
        context = tls.context()
        context.check_hostname = False
        certificate = await _certificate(url, context)
        named = certificate.get("subjectAltName", ())
        return ", ".join(f"'{name}'" for _, name in named) or "no host at all"
    return "others"


async def _speaks_tls(url: URL) -> bool:
    trusting_nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        await _certificate(url, trusting_nobody)
    except ssl.SSLCertVerificationError:
        return True
    except (OSError, TimeoutError):
        return False
    return True


async def _certificate(url: URL, context: ssl.SSLContext) -> dict[str, Any]:
    async with asyncio.timeout(_LOOK_TIMEOUT):
        _, writer = await asyncio.open_connection(url.host, _port(url), ssl=context)
    certificate: dict[str, Any] = writer.get_extra_info("peercert")
    writer.transport.abort()
    return certificate


def _port(url: URL) -> int:
    return url.port or (5671 if url.scheme == "amqps" else 5672)


def _ssl_error(error: BaseException) -> ssl.SSLError | None:
    """The library wraps what the socket raised."""
    causes = (error, error.__cause__)
    return next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)


def _was_hung_up(error: BaseException) -> bool:
    """After it had taken the connection, and before it had answered."""
    kinds = (asyncio.IncompleteReadError, ConnectionResetError)
    return any(isinstance(cause, kinds) for cause in (error, error.__cause__))
