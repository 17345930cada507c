"""The three answers over HTTP: `/livez`, `/readyz`, `/startupz`.

Receives GET and HEAD from probes, hands back 200 or 503 with a report as JSON.
"""

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from toolkit.health.report import Report, liveness, readiness, startup
from toolkit.health.watchdog import Watchdog
from toolkit.service.condition import ServiceCondition
from toolkit.service.service import Service

_NOT_KEPT = {"Cache-Control": "no-store"}


def health_routes(services: Sequence[Service], watchdog: Watchdog) -> list[Route]:
    """Routes for a Starlette or FastAPI application of one's own.

    An application in the event loop that is watched can't answer while that stands still: there a
    probe's timeout tells, and the watchdog's log says where.
    """

    def conditions() -> list[ServiceCondition]:
        return [service.condition for service in services]

    return [
        _route("/livez", lambda: liveness(watchdog.stall)),
        _route("/readyz", lambda: readiness(conditions(), watchdog.stall)),
        _route("/startupz", lambda: startup(conditions())),
    ]


def health_app(services: Sequence[Service], watchdog: Watchdog) -> Starlette:
    """An application with these routes and nothing else."""
    return Starlette(routes=health_routes(services, watchdog))


def _route(path: str, report: Callable[[], Report]) -> Route:
    async def answer(_: Request) -> JSONResponse:
        found = report()
        status = 200 if found.is_good else 503
        return JSONResponse(found.content, status_code=status, headers=_NOT_KEPT)

    return Route(path, answer, methods=["GET"])  # and with it HEAD
