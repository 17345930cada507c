"""A traceback as the author of a service wants it: down to their own code, and no further.

Receives an exception that came out of somebody's module, hands the text of it.
"""

import sysconfig
import traceback
from pathlib import Path

import toolkit

_PLACES = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
_NOT_THEIRS = tuple(
    str(Path(place).resolve()) for place in [*_PLACES, str(Path(toolkit.__file__).parent)]
)


def trimmed(error: BaseException) -> str:
    """Frames of Python, of installed packages and of the toolkit are left out, unless nothing
    else would remain.
    """
    found = traceback.TracebackException.from_exception(error)
    link: traceback.TracebackException | None = found
    while link is not None:
        link.stack = _theirs(link.stack)
        link = link.__cause__ or link.__context__
    return "".join(found.format()).rstrip()


def _theirs(stack: traceback.StackSummary) -> traceback.StackSummary:
    kept = [frame for frame in stack if _is_theirs(frame.filename)]
    return traceback.StackSummary.from_list(kept or stack[-1:])


def _is_theirs(filename: str) -> bool:
    return not filename.startswith(("<", *_NOT_THEIRS))
