"""A repository of services, as it lies on the disk: found, and loaded on demand.

`entry` is one service, `settings` what pyproject.toml says of them, `project` finds them all;
`target` loads one, and `trace` shows whose fault it is when that fails.
"""

from toolkit.project.entry import ServiceEntry
from toolkit.project.project import NoProjectError, Project, UnknownServiceError
from toolkit.project.target import load

__all__ = ["NoProjectError", "Project", "ServiceEntry", "UnknownServiceError", "load"]
