"""The broker: whether it lets us in, and what it says of itself.

Receives one address after the other, hands an inspector of each that works, and findings.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from datetime import timedelta

from yarl import URL

from toolkit.errors import AccessRefusedError, BrokerUnreachableError, TlsError, TransportError
from toolkit.operations.doctor.finding import Finding
from toolkit.operations.doctor.look import PATIENCE
from toolkit.policies.duration import format_duration
from toolkit.service.settings import Settings
from toolkit.topology.declarations import Version
from toolkit.transport.rabbitmq import RabbitOptions, redacted
from toolkit.transport.rabbitmq.inspector import BrokerFacts, Inspector

CHECK, CONNECTION = "broker", "connection"

OLDEST, NEWEST = (3, 10), (4, 3)
"""The versions of RabbitMQ that the toolkit is made for."""

_MIB = 1024 * 1024
_AMQP_0_9_1 = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01\x00\x00"  # on channel 0, as every AMQP 0-9-1 server begins
_GLANCE = 1.0  # seconds for a port to say what it speaks


async def met(
    url: str, settings: Settings, stack: AsyncExitStack, *, within: float = PATIENCE
) -> tuple[Inspector | None, list[Finding]]:
    """An inspector that stays until the stack ends, or why there is none."""
    options = RabbitOptions(
        urls=(url,), service="doctor", tls=settings.tls, heartbeat=settings.heartbeat
    )
    try:
        async with asyncio.timeout(within):
            inspector = await stack.enter_async_context(Inspector.connected(options))
    except TimeoutError:
        silent = BrokerUnreachableError(
            f"{redacted(url)} gave no answer within {within:g}s: a firewall, or no broker"
        )
        return None, [await _closed_door(url, silent)]
    except TransportError as error:
        return None, [await _closed_door(url, error)]
    return inspector, list(findings_of(inspector.facts, settings))


async def _closed_door(url: str, error: TransportError) -> Finding:
    match error:
        case AccessRefusedError():
            fix = "`rabbitmqctl list_users` and `rabbitmqctl list_vhosts` say what there is"
            return Finding(CHECK, CONNECTION, "wrong", str(error), fix)
        case TlsError():
            fix = "see TOOLKIT_AMQP_URL and TOOLKIT_TLS_CA, _CERT and _KEY"
            return Finding(CHECK, CONNECTION, "wrong", str(error), fix)
        case _:
            return await _unreachable(url, error)


async def _unreachable(url: str, error: TransportError) -> Finding:
    if language := await _other_language(URL(url)):
        fix = "use the broker's port for AMQP, as a rule 5672, or 5671 with TLS"
        return Finding(CHECK, CONNECTION, "wrong", language, fix)
    fix = "start it (`toolkit dev` has one), or name the right one in TOOLKIT_AMQP_URL"
    return Finding(CHECK, CONNECTION, "wrong", str(error), fix)


async def _other_language(url: URL) -> str | None:
    """What a port says that isn't a broker's."""
    if url.scheme == "amqps":
        return None
    said = b""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_GLANCE):
            reader, writer = await asyncio.open_connection(url.host, url.port or 5672)
            try:
                writer.write(_AMQP_0_9_1)
                said = await reader.read(16)
            finally:
                writer.transport.abort()
    if not said or said.startswith(_METHOD_FRAME):
        return None
    return f"{redacted(url)} is a port that doesn't speak AMQP 0-9-1: it answers {said!r}"


def findings_of(facts: BrokerFacts, settings: Settings) -> Iterator[Finding]:
    """What a broker's own words are worth knowing for."""
    entered = f"{facts.address} lets us in, and into the virtual host"
    yield Finding(CHECK, CONNECTION, "ok", entered)
    yield from _version(facts)
    yield _heartbeat(facts, settings)
    yield _sizes(facts, settings)


def _version(facts: BrokerFacts) -> Iterator[Finding]:
    known = f"{_dotted(OLDEST)} to {_dotted(NEWEST)}"
    if not facts.is_rabbitmq:
        sentence = (
            f"{facts.product} on {facts.platform} isn't RabbitMQ itself, which is what the toolkit "
            "was tried on"
        )
        yield Finding(CHECK, "version", "note", sentence)
    elif facts.version < OLDEST:
        sentence = (
            f"{facts.product} is too old: before 3.10, quorum queues don't dead-letter at least "
            "once, so a delayed message can be lost"
        )
        yield Finding(CHECK, "version", "wrong", sentence, f"upgrade to one of {known}")
    elif facts.version > NEWEST:
        sentence = f"{facts.product} is newer than those the toolkit knows, {known}"
        yield Finding(CHECK, "version", "note", sentence)
    elif facts.version < (4, 0):
        sentence = f"{facts.product} works, but 3.x gets no more fixes from the community"
        yield Finding(CHECK, "version", "note", sentence, "plan the upgrade to 4.x")
    else:
        yield Finding(CHECK, "version", "ok", f"{facts.product}, one of {known}")


def _heartbeat(facts: BrokerFacts, settings: Settings) -> Finding:
    wanted, agreed = settings.heartbeat.total_seconds(), facts.heartbeat
    if agreed == wanted:
        return Finding(CHECK, "heartbeat", "ok", f"{format_duration(settings.heartbeat)}, as set")
    found = format_duration(timedelta(seconds=agreed)) if agreed else "none"
    sentence = (
        f"{found} instead of the {format_duration(settings.heartbeat)} of TOOLKIT_HEARTBEAT: "
        "the address has a `heartbeat` of its own"
    )
    return Finding(CHECK, "heartbeat", "note", sentence, "take it out of the address")


def _sizes(facts: BrokerFacts, settings: Settings) -> Finding:
    limit = most_bytes(facts.version)
    frames = f"frames of {facts.frame_max // 1024} KiB"
    if settings.max_body is not None and settings.max_body > limit:
        sentence = (
            f"TOOLKIT_MAX_BODY is {settings.max_body}, but this version takes messages of "
            f"{limit // _MIB} MiB at most, unless max_message_size was changed"
        )
        return Finding(CHECK, "sizes", "note", sentence, f"set it to {limit} or less")
    sentence = f"{frames}; messages of up to {limit // _MIB} MiB, unless it was set otherwise"
    return Finding(CHECK, "sizes", "ok", sentence)


def most_bytes(version: Version) -> int:
    """The largest message that a broker takes as it is shipped."""
    return 16 * _MIB if version >= (4, 0) else 128 * _MIB


def _dotted(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
