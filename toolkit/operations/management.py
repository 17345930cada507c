"""The management API, read.

Receives its address and an AMQP address whose user asks, hands what it answers.
"""

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from yarl import URL

from toolkit.errors import ToolkitError
from toolkit.operations.doctor.look import in_thread
from toolkit.operations.doctor.management import NoManagementError as NoAnswerError
from toolkit.operations.doctor.management import ask, default_address, shown
from toolkit.transport.rabbitmq.tls import Tls


class NoManagementError(ToolkitError):
    """The API gave no answer, with the reason and what to do."""

    exit_code = 69


class ManagementApi:
    """One user's view of one virtual host. Without an address the API is where it usually is."""

    def __init__(self, address: str | None, amqp_url: str, tls: Tls) -> None:
        self._address = address or default_address(amqp_url)
        self._amqp_url = amqp_url
        self._tls = tls
        url = URL(amqp_url)
        self._user = url.user or "guest"
        self.virtual_host = url.path[1:].replace("%2F", "/").replace("%2f", "/") or "/"

    def path(self, kind: str, name: str | None = None) -> str:
        """Where things of this kind, or one of them, are told of."""
        parts = [kind, self.virtual_host, *([] if name is None else [name])]
        return "/api/" + "/".join(quote(part, safe="") for part in parts)

    async def get(self, path: str, *, else_none: HTTPStatus = HTTPStatus.NOT_FOUND) -> Any:
        """What is told there; None if the answer is `else_none`. Raises `NoManagementError`."""
        where = f"the management API at {shown(self._address)}"
        try:
            answer = await in_thread(lambda: ask(self._address, path, self._amqp_url, self._tls))
        except NoAnswerError as error:
            raise NoManagementError(
                f"{where} {error}; `rabbitmq-plugins enable rabbitmq_management` on the broker, or "
                "say where the API is with --management URL or TOOLKIT_MANAGEMENT_URL"
            ) from error
        if answer.status == else_none:
            return None
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise NoManagementError(
                f"{where} doesn't let user '{self._user}' ask; "
                f"`rabbitmqctl set_user_tags {self._user} management`"
            )
        if answer.status != HTTPStatus.OK:
            raise NoManagementError(f"{where} answers {answer.status} to GET {path}")
        try:
            return json.loads(answer.body)
        except ValueError as error:
            raise NoManagementError(f"{where} answers with something else than JSON") from error
