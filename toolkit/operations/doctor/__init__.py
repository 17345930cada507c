"""Looks a machine, a project and its broker over, and says of each thing how to put it right.

In reading order: `finding` (what a look comes to), `look` (one that can neither hang nor break the
others); the looks: `machine`, `docker`, `setting`, `broker`, `management`, and of each service
`service`, `permission`, `queue`; `examination` (all of them, in order).
"""

from toolkit.operations.doctor.examination import Request, examine
from toolkit.operations.doctor.finding import Finding, Status

__all__ = ["Finding", "Request", "Status", "examine"]
