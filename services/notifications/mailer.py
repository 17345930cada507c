"""Carries a letter to the SMTP server.

Receives letters from the notifier, hands mails to SMTP, and tells an address that will never work
from a server that doesn't work now.
"""

from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

import aiosmtplib

from .letter import Letter
from .settings import Settings

_PERMANENT = range(500, 600)
_TIMEOUT = 10.0  # seconds, for each answer of the server


class InvalidAddress(Exception):
    """Nothing can be delivered to this address, now or later: trying again is of no use."""

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        super().__init__(f"no mail can be delivered to {address!r}: {reason}")


class Mailer:
    """An SMTP server that takes mails. Each mail gets a connection of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, letter: Letter) -> None:
        """Returns once the server has taken it.

        Raises InvalidAddress if the address is refused for good, and aiosmtplib's errors for
        whatever may have passed by the next try.
        """
        password = self._settings.smtp_password
        try:
            await aiosmtplib.send(
                self._mail(letter),
                recipients=[letter.recipient],
                hostname=self._settings.smtp_host,
                port=self._settings.smtp_port,
                username=self._settings.smtp_username,
                password=password.get_secret_value() if password else None,
                timeout=_TIMEOUT,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            refusal = error.recipients[0]
            if refusal.code not in _PERMANENT:
                raise
            raise InvalidAddress(letter.recipient, f"{refusal.code} {refusal.message}") from error

    def _mail(self, letter: Letter) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._settings.sender
        mail["To"] = letter.recipient
        mail["Subject"] = letter.subject
        mail["Date"] = format_datetime(datetime.now(UTC))
        # Not random: should a mail ever go out twice, mail programs can see that it is the same.
        mail["Message-ID"] = f"<{letter.about}.{letter.order_id}@{self._domain()}>"
        mail.set_content(letter.text)
        return mail

    def _domain(self) -> str:
        return parseaddr(self._settings.sender)[1].rpartition("@")[2]
