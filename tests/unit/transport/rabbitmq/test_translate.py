"""The library's errors become ours, as sentences that name the address and what to do."""

import asyncio
from collections.abc import Mapping
from typing import Any

import aiormq.exceptions as foreign
import pytest
from yarl import URL

from toolkit import AccessRefusedError, BrokerUnreachableError, TransportError
from toolkit.errors import ConnectionLostError
from toolkit.transport.rabbitmq.translate import (
    MissingError,
    call_error,
    connection_error,
    version_from,
    was_cancelled,
)

WHERE = URL("amqp://ada:hunter2@broker:5672/shop")


@pytest.mark.parametrize(
    ("properties", "version"),
    [
        ({"version": "3.10.8"}, (3, 10)),
        ({"version": "4.3.0-rc.1"}, (4, 3)),
        ({"version": "4.0"}, (4, 0)),
        ({"version": "5"}, (3, 10)),
        ({"version": "new"}, (3, 10)),
        ({"version": b"4.1.0"}, (3, 10)),
        ({}, (3, 10)),
    ],
)
def test_a_version_is_read_or_taken_for_the_oldest(
    properties: Mapping[str, Any], version: tuple[int, int]
) -> None:
    """What a broker doesn't say about itself makes it an old one: what that takes, all take."""
    assert version_from(dict(properties)) == version


REFUSED = [
    (foreign.AuthenticationError("ACCESS_REFUSED"), None, "refused user 'ada'"),
    (foreign.ProbableAuthenticationError("closed"), None, "refused user 'ada'"),
    (foreign.ConnectionClosed(530, ""), "NOT_ALLOWED - vhost shop not found", "add_vhost"),
    (ConnectionResetError(), "NOT_ALLOWED - vhost shop not found", "add_vhost"),
    (asyncio.CancelledError(), "ACCESS_REFUSED - no access to vhost", "set_permissions"),
]


@pytest.mark.parametrize(("error", "farewell", "said"), REFUSED)
def test_a_refusal_says_who_and_what_to_do(
    error: BaseException, farewell: str | None, said: str
) -> None:
    """Credentials and virtual hosts are not mended by waiting."""
    translated = connection_error(error, WHERE, farewell)
    assert isinstance(translated, AccessRefusedError)
    assert said in str(translated)
    assert "broker:5672" in str(translated)
    assert "hunter2" not in str(translated)


@pytest.mark.parametrize(
    ("error", "farewell"),
    [
        (ConnectionRefusedError(111, "refused"), None),
        (OSError("no route"), None),
        (TimeoutError(), None),
        (foreign.ConnectionClosed(320, ""), "CONNECTION_FORCED - broker forced it"),
        (asyncio.CancelledError(), None),
    ],
)
def test_anything_else_is_an_unreachable_broker(error: BaseException, farewell: str | None) -> None:
    """Which may be mended by waiting; the address is named, the password is not."""
    translated = connection_error(error, WHERE, farewell)
    assert isinstance(translated, BrokerUnreachableError)
    assert "broker:5672" in str(translated)
    assert "hunter2" not in str(translated)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (foreign.ChannelAccessRefused("no write"), AccessRefusedError),
        (foreign.ChannelNotFoundEntity("no queue 'q'"), MissingError),
        (foreign.ChannelPreconditionFailed("inequivalent arg"), TransportError),
        (foreign.ChannelInvalidStateError("closed"), ConnectionLostError),
        (ConnectionResetError("reset"), ConnectionLostError),
    ],
)
def test_a_call_that_failed_says_what_was_being_done(
    error: BaseException, kind: type[TransportError]
) -> None:
    """Refused, missing, otherwise wrong, or cut."""
    translated = call_error(error, "declaring queue 'q'")
    assert type(translated) is kind
    assert "declaring queue 'q'" in str(translated)


async def test_a_cancellation_that_the_library_made_up_is_told_from_a_real_one() -> None:
    """Aiormq raises `CancelledError` at callers whom nobody has cancelled."""
    seen: list[bool] = []

    async def work() -> None:
        seen.append(was_cancelled())
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append(was_cancelled())
            raise

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert seen == [False, True]
