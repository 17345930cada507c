"""A real SMTP server that keeps what it takes, and refuses what it is told to.

Receives mails over SMTP, hands them and a record of every try to the story and to the tests.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

TAKEN = "250 taken"
NO_SUCH_MAILBOX = "550 5.1.1 no such mailbox here"
MAILBOX_BUSY = "450 4.2.1 mailbox busy, try again later"
DOWN = "421 4.3.2 closed for repairs"


@dataclass(frozen=True, slots=True)
class Mail:
    """What a customer would find in their mailbox."""

    recipient: str
    subject: str
    text: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt to hand over a mail: when, for whom (if it came that far), and the answer."""

    at: float  # seconds on the monotonic clock
    recipient: str | None
    answer: str


class MailServer:
    """What has arrived, and what will be refused."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.tries: list[Try] = []
        self.port = 0
        self._refusals: dict[str, str] = {}
        self._refusals_left: Counter[str] = Counter()
        self._down_for = 0
        self._news = asyncio.Event()

    def refuse(self, recipient: str, answer: str, *, times: int | None = None) -> None:
        """Answer mails to `recipient` like this: the next `times`, or always."""
        self._refusals[recipient] = answer
        self._refusals_left[recipient] = -1 if times is None else times

    def go_down(self, *, tries: int) -> None:
        """Hang up on the next `tries` connections, whoever calls."""
        self._down_for = tries

    def mails_to(self, recipient: str) -> list[Mail]:
        """What `recipient` has received."""
        return [mail for mail in self.mails if mail.recipient == recipient]

    async def until(self, condition: Callable[[], bool], *, within: float = 20.0) -> None:
        """Wait for something that only a further try can bring about. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def try_number(self, number: int, *, within: float = 20.0) -> Try:
        """The try of that number, counted from 1, once it is made. Raises TimeoutError."""
        await self.until(lambda: len(self.tries) >= number, within=within)
        return self.tries[number - 1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["MailServer"]:
        """Listen on a free port of this machine."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._answer_the_phone, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    def _answer_the_phone(self) -> asyncio.BaseProtocol:
        if not self._down_for:
            return SMTP(self, hostname="mail.example", loop=asyncio.get_running_loop())
        self._down_for -= 1
        self._note(None, DOWN)
        return _HangUp()

    async def handle_RCPT(  # noqa: N802 (aiosmtpd finds its hooks by these names)
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        """Take or refuse a recipient."""
        if self._refusals_left[address]:
            self._refusals_left[address] -= 1
            return self._note(address, self._refusals[address])
        envelope.rcpt_tos.append(address)
        return TAKEN

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the mail."""
        mail: Any = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        for recipient in envelope.rcpt_tos:
            self.mails.append(
                Mail(recipient, mail["Subject"], mail.get_content(), mail["Message-ID"])
            )
            self._note(recipient, TAKEN)
        return TAKEN

    def _note(self, recipient: str | None, answer: str) -> str:
        self.tries.append(Try(time.monotonic(), recipient, answer))
        self._news.set()
        return answer


class _HangUp(asyncio.Protocol):
    """Says that it is closed, and closes: what a server under repair does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(f"{DOWN}\r\n".encode())
        transport.close()
