"""One more service in docker-compose.yml.

Receives the file's text and the new entry, hands the text with that entry at the end of `services`.
Where it goes is read off PyYAML's marks, so every comment and anchor stays as it is; what comes out
is parsed, and compared with what was there.
"""

import re
from pathlib import Path
from typing import Any

from toolkit.errors import ConfigurationError
from toolkit.scaffold.errors import UneditableError, tool

FILE = Path("docker-compose.yml")

_FIRST_PORT = 8081
_LAST_PORT = 65535
_PUBLISHED = re.compile(r"(?:\$\{\w+:?-(\d+)\}|\b(\d+)):\d+(?:/\w+)?$")
"""The host's port in "127.0.0.1:${ORDERS_PORT:-8000}:8000"."""


class ComposeFile:
    """What is in it, and where."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._yaml = tool("yaml")
        self._content = self._parsed(text)
        if not isinstance(self._content, dict) or not self.services:
            raise _unfit("it has no services", "write `services:` with one entry in it")

    @property
    def services(self) -> dict[str, Any]:
        """The entries by name."""
        return self._content.get("services") or {}

    def refuse_taken(self, name: str) -> None:
        """Raises ConfigurationError if there is an entry of that name."""
        if name in self.services:
            raise ConfigurationError(
                f"{FILE} has a service '{name}' already", ["choose another name"]
            )

    def require_anchors(self, *anchors: str) -> None:
        """Raises UneditableError without one of them: the new entry refers to them."""
        scanned = self._yaml.scan(self.text)
        known = {token.value for token in scanned if type(token).__name__ == "AnchorToken"}
        for anchor in anchors:
            if anchor not in known:
                raise _unfit(
                    f"it has no anchor &{anchor}",
                    "add `x-broker: &broker` with TOOLKIT_AMQP_URL in it, and "
                    "`x-service: &service` with what all services share, such as `build: .`",
                )

    @property
    def free_port(self) -> int:
        """The first one for a health check that no entry publishes yet."""
        taken = {port for entry in self.services.values() for port in _published(entry)}
        return next(port for port in range(_FIRST_PORT, _LAST_PORT) if port not in taken)

    def with_service(self, name: str, entry: str) -> str:
        """The text with one more entry, given without indentation.

        Raises UneditableError if it can't be put there without touching anything else.
        """
        mapping = self._services_node()
        column = mapping.start_mark.column
        lines = self.text.splitlines(keepends=True)
        place = _end_of(mapping)
        while place < len(lines) and _is_comment_within(lines[place], column):
            place += 1
        if not lines[place - 1].endswith("\n"):
            lines[place - 1] += "\n"
        indented = [f"{' ' * column}{line}\n" if line else "\n" for line in entry.splitlines()]
        text = "".join([*lines[:place], "\n", *indented, *lines[place:]])
        self._compare(text, name)
        return text

    def _services_node(self) -> Any:
        root = self._yaml.compose(self.text)
        (node,) = (value for key, value in root.value if key.value == "services")
        if node.flow_style:
            raise _unfit("its services are between braces", "write each on lines of its own")
        return node

    def _compare(self, text: str, name: str) -> None:
        after = self._parsed(text)
        entry = (after.get("services") or {}).pop(name, None)
        if entry is None or after != self._content:
            raise _unfit("nothing can be added at the end of its services", "add it by hand")

    def _parsed(self, text: str) -> Any:
        try:
            return self._yaml.safe_load(text)
        except self._yaml.YAMLError as error:
            raise _unfit(f"it is not valid YAML: {error}", "put that right") from error


def _end_of(node: Any) -> int:
    """The line after the last one that belongs to a node, not counting what trails behind."""
    if not isinstance(node.value, list) or node.flow_style or not node.value:
        mark = node.end_mark
        return int(mark.line) + (1 if mark.column else 0)
    last = node.value[-1]
    return _end_of(last[1] if isinstance(last, tuple) else last)


def _is_comment_within(line: str, column: int) -> bool:
    """Whether it is a comment that belongs to an entry, by its indentation."""
    stripped = line.lstrip(" ")
    return stripped.startswith("#") and len(line) - len(stripped) > column


def _published(entry: Any) -> list[int]:
    ports = entry.get("ports", ()) if isinstance(entry, dict) else ()
    written = [str(p.get("published", "")) if isinstance(p, dict) else str(p) for p in ports]
    found = [_PUBLISHED.search(one) or re.fullmatch(r"()(\d+)", one) for one in written]
    return [int(match[1] or match[2]) for match in found if match]


def _unfit(problem: str, todo: str) -> UneditableError:
    return UneditableError(FILE, problem, todo)
