"""Which of the letters are meant.

Receives ids, a group, a filter or the word "all", hands the letters chosen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches

from toolkit.operations.dead_letters.expression import Filter
from toolkit.operations.dead_letters.letter import Letter, LetterError


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All conditions must hold; without any, all letters are meant."""

    ids: tuple[str, ...] = ()
    group: str | None = None
    where: Filter | None = None
    limit: int | None = None
    """The oldest of each queue first."""

    def of(self, letters: Sequence[Letter]) -> list[Letter]:
        """Those that are meant, in their order.

        Raises `LetterError` for an id or a group that isn't there: a slip must not pass for "none".
        """
        self._require_ids(letters)
        self._require_group(letters)
        now = datetime.now(UTC)
        chosen = [letter for letter in letters if self._takes(letter, now)]
        return chosen if self.limit is None else chosen[: self.limit]

    def _takes(self, letter: Letter, now: datetime) -> bool:
        return (
            (not self.ids or letter.id in self.ids)
            and (self.group is None or letter.fault.fingerprint == self.group)
            and (self.where is None or self.where(letter, now=now))
        )

    def _require_ids(self, letters: Iterable[Letter]) -> None:
        known = {letter.id for letter in letters}
        if missing := [one for one in self.ids if one not in known]:
            raise _unknown("letter with the id", missing, known)

    def _require_group(self, letters: Iterable[Letter]) -> None:
        known = {letter.fault.fingerprint for letter in letters}
        if self.group is not None and self.group not in known:
            raise _unknown("group", [self.group], known)


def _unknown(what: str, missing: Sequence[str], known: Iterable[str]) -> LetterError:
    names = [name for name in known if name]
    near = [name for name in names if name.startswith(missing[0])][:3] or get_close_matches(
        missing[0], names[:1_000], n=1, cutoff=0.7
    )
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    more = f" (and {len(missing) - 1:,} more)" if len(missing) > 1 else ""
    return LetterError(
        f"there is no {what} '{missing[0]}'{more} among the {len(names):,} that were looked at; "
        f"{hint}nothing was changed"
    )
