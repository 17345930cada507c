"""Records as a test asks for them.

Receives the journal, hands tests those of one kind and one message type: always as it is now.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

from toolkit.errors import UndecodableError
from toolkit.testing.harness.record import Record

R = TypeVar("R", bound=Record[Any])

_NOTHING = object()


class View(Sequence[R], Generic[R]):
    """Records of one kind, oldest first. It is live: what happens later is in it too."""

    def __init__(
        self,
        name: str,
        look: Callable[[], list[R]],
        wait: Callable[[Callable[[], bool], str], Awaitable[None]],
    ) -> None:
        self._name = name
        self._look = look
        self._wait = wait

    def where(self, is_wanted: Callable[[R], bool] | None = None, **fields: Any) -> "View[R]":
        """Only those for which `is_wanted`, and whose message has these values in its fields.

        A text also stands for what is written like it: an id that came as JSON finds its UUID.
        """

        def look() -> list[R]:
            return [
                record
                for record in self._look()
                if (is_wanted is None or is_wanted(record)) and _has(record, fields)
            ]

        wanted = "".join(f" {name}={value!r}" for name, value in fields.items())
        return View(f"{self._name}{wanted}", look, self._wait)

    @property
    def only(self) -> R:
        """The one record. Raises `AssertionError` that lists them, if it isn't just one."""
        records = self._look()
        if len(records) != 1:
            raise AssertionError(f"not just one: {self!r}")
        return records[0]

    async def at_least(self, count: int = 1) -> list[R]:
        """Waits until there are so many, and returns them.

        For work that no message sets off, such as a relay's or an HTTP request's; after
        `settled` there is nothing to wait for. Raises `NotSettledError` if they don't come.
        """
        await self._wait(lambda: len(self._look()) >= count, f"at least {count} {self._name}")
        return self._look()

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> list[R]: ...
    def __getitem__(self, index: int | slice) -> R | list[R]:
        return self._look()[index]

    def __len__(self) -> int:
        return len(self._look())

    def __iter__(self) -> Iterator[R]:
        return iter(self._look())

    def __repr__(self) -> str:
        records = self._look()
        lines = "".join(f"\n  - {record}" for record in records)
        return f"<{len(records)} {self._name}{':' if records else ''}{lines}>"


def _has(record: Record[Any], fields: dict[str, Any]) -> bool:
    if not fields:
        return True
    try:
        message = record.message
    except UndecodableError:
        return False
    return all(_is_same(getattr(message, name, _NOTHING), value) for name, value in fields.items())


def _is_same(value: object, wanted: object) -> bool:
    return value == wanted or (isinstance(wanted, str) and str(value) == wanted)
