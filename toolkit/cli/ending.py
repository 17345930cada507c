"""How a command ends: what it could not do, in a sentence, and an exit code that means something.

Receives errors from the commands, hands a code to whoever called.
"""

from toolkit.errors import ToolkitError

OK = 0
WRONG = 1
"""Something was looked at, and isn't as it should be."""


def ended_by(error: ToolkitError) -> int:
    """Says what went wrong, on standard error, and returns the exit code: the error's own, if it has one."""
    from toolkit.service.runner import complain  # noqa: PLC0415 - only where it is needed

    code = complain(error)
    return getattr(error, "exit_code", code)
