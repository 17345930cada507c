"""Virtual hosts through the management HTTP API.

Receives the API's address and the AMQP URL whose user may use it; hands nothing back but errors.
"""

import base64
import http.client
import json
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

from toolkit.errors import ToolkitError


class ManagementError(ToolkitError):
    """The management API didn't do as it was asked."""

    def __init__(self, address: str, problem: str) -> None:
        self.address = address
        self.problem = problem
        super().__init__(
            f"The management API at {address} {problem}. Enable the plugin with `rabbitmq-plugins "
            "enable rabbitmq_management`, give the user the tag `administrator`, or say where the "
            "API is with TOOLKIT_MANAGEMENT_URL."
        )


class Management:
    """One user's access to one management API."""

    def __init__(self, address: str, *, credentials_of: str) -> None:
        self.address = address
        account = urlsplit(credentials_of)
        self._user = unquote(account.username or "guest")
        password = unquote(account.password or "guest")
        token = base64.b64encode(f"{self._user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}

    def ask_overview(self) -> None:
        """Raise ManagementError unless the API answers this user."""
        self._request("GET", "/api/overview")

    def create_virtual_host(self, name: str) -> None:
        """Make the virtual host and let the user do anything in it."""
        path = quote(name, safe="")
        self._request("PUT", f"/api/vhosts/{path}", {})
        self._request(
            "PUT",
            f"/api/permissions/{path}/{quote(self._user, safe='')}",
            {"configure": ".*", "write": ".*", "read": ".*"},
        )

    def delete_virtual_host(self, name: str) -> None:
        """Delete it with all that is in it; its connections are closed by the broker."""
        self._request("DELETE", f"/api/vhosts/{quote(name, safe='')}")

    def _request(self, method: str, path: str, body: Mapping[str, str] | None = None) -> None:
        where = urlsplit(self.address)
        has_tls = where.scheme == "https"
        make = http.client.HTTPSConnection if has_tls else http.client.HTTPConnection
        connection = make(where.hostname or "localhost", where.port, timeout=30)
        content = None if body is None else json.dumps(body)
        try:
            connection.request(method, where.path.rstrip("/") + path, content, self._headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as failure:
            raise ManagementError(self.address, f"doesn't answer ({failure})") from failure
        finally:
            connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            refusal = f"answered {method} {path} with {answer.status} {text[:200]}"
            raise ManagementError(self.address, refusal)
