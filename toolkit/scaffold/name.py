"""What something new may be called.

Receives names as they were typed, hands every form of them to the templates.
"""

import builtins
import keyword
import re
from dataclasses import dataclass

from toolkit import face
from toolkit.errors import ContractError
from toolkit.messages.contract import Event
from toolkit.scaffold.errors import WrongNameError
from toolkit.topology.naming import kebab, service_problem

_PACKAGE = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_CLASS = re.compile(r"[A-Z][A-Za-z0-9]*")
_WORDS = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_LONGEST_PACKAGE = 50
_LONGEST_CLASS = 36
"""So that a line has room for it, twice where that is needed."""


@dataclass(frozen=True, slots=True)
class PackageName:
    """A service's name, or a project's: `payment-hub`."""

    kebab: str

    @property
    def snake(self) -> str:
        """As Python imports it: `payment_hub`."""
        return self.kebab.replace("-", "_")

    @property
    def pascal(self) -> str:
        """As classes begin: `PaymentHub`."""
        return _pascal(self.kebab)

    @property
    def prefix(self) -> str:
        """As its variables begin: `PAYMENT_HUB`."""
        return self.snake.upper()

    @property
    def sentence(self) -> str:
        """At the beginning of a sentence: `Payment-hub`."""
        return self.kebab.capitalize()


def package_name(typed: str, *, of: str) -> PackageName:
    """A name for a service or a project, in dashes or underscores. Raises WrongNameError."""
    problem = _package_problem(typed)
    if problem:
        raise WrongNameError(f"'{typed}' is no name for a {of}: {problem}")
    return PackageName(typed.replace("_", "-"))


def _package_problem(typed: str) -> str | None:
    if "/" in typed or "\\" in typed or typed.startswith("."):
        return "it is a path; go to the folder, and give a name such as 'payment-hub' there"
    if not _PACKAGE.fullmatch(typed):
        return "use lower-case words of letters and digits, joined by dashes: 'payment-hub'"
    if keyword.iskeyword(typed):
        return f"it is a word of Python, so it can't be imported; try '{typed}-service'"
    if len(typed) > _LONGEST_PACKAGE:
        return f"use {_LONGEST_PACKAGE} characters at most"
    return service_problem(typed.replace("_", "-"))


def class_name(typed: str, *, of: str) -> str:
    """A class's name, from `SendReceipt` or `send-receipt`. Raises WrongNameError."""
    name = typed if _CLASS.fullmatch(typed) else _pascal(typed) if _WORDS.fullmatch(typed) else ""
    problem = None
    if not name:
        problem = "use words without spaces or signs, such as 'SendReceipt' or 'send-receipt'"
    elif len(name) > _LONGEST_CLASS:
        problem = f"use {_LONGEST_CLASS} characters at most"
    elif keyword.iskeyword(name) or hasattr(builtins, name) or name in face.__all__:
        problem = "Python or the toolkit has something of that name; choose another"
    if problem:
        raise WrongNameError(f"'{typed}' is no name for {of}: {problem}")
    return name


def wire_name(typed: str) -> str:
    """A message's name on the wire, checked by the contract itself. Raises WrongNameError."""
    try:
        type("_Probe", (Event,), {"__module__": __name__}, name=typed)
    except ContractError as error:
        raise WrongNameError(str(error).removeprefix("_Probe: ")) from error
    return typed


def snake(name: str) -> str:
    """`SendReceipt` becomes `send_receipt`."""
    return kebab(name).replace("-", "_")


def sentence(name: str) -> str:
    """`SendReceipt` becomes `Send receipt`."""
    return kebab(name).replace("-", " ").capitalize()


def _pascal(words: str) -> str:
    return "".join(word.capitalize() for word in re.split("[-_]", words))
