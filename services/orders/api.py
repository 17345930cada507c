"""The HTTP side of orders: place one, look at it, cancel it.

Receives requests from uvicorn, hands orders to the store and nudges the relay.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError

from toolkit.health.app import health_routes

from .service import OrderDesk, make_desk
from .store import AlreadyCancelled, OrderNotFound
from .view import NewOrder, OrderView

router = APIRouter()


def make_app(desk: OrderDesk | None = None) -> FastAPI:
    """The application. Its lifespan is the service, for servers that enter it: both start and stop
    together.
    """
    desk = desk or make_desk()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with desk.running():
            yield

    app = FastAPI(title="Orders", lifespan=lifespan)
    app.state.desk = desk
    app.include_router(router)
    app.router.routes.extend(health_routes([desk.service], desk.watchdog))
    app.add_exception_handler(OrderNotFound, _not_found)
    app.add_exception_handler(AlreadyCancelled, _conflict)
    app.add_exception_handler(RequestValidationError, _name_the_fields)
    return app


def _desk(request: Request) -> OrderDesk:
    return cast(OrderDesk, request.app.state.desk)


Desk = Annotated[OrderDesk, Depends(_desk)]


@router.post("/orders", status_code=201)
async def place(new: NewOrder, desk: Desk, response: Response) -> OrderView:
    """Answers once the order is in the database: a broker that is away delays only the news."""
    order = await desk.store.place(new.customer_email, lines=new.lines, currency=new.currency)
    desk.relay.nudge()
    response.headers["Location"] = f"/orders/{order.order_id}"
    return OrderView.of(order)


@router.get("/orders/{order_id}")
async def show(order_id: UUID, desk: Desk) -> OrderView:
    """The order with all that happened to it."""
    return OrderView.of(await desk.store.find(order_id))


@router.post("/orders/{order_id}/cancel")
async def cancel(order_id: UUID, desk: Desk) -> OrderView:
    """An order is cancelled once; the second time is a conflict."""
    order = await desk.store.cancel(order_id)
    desk.relay.nudge()
    return OrderView.of(order)


async def _not_found(_: Request, error: Exception) -> Response:
    return _json({"detail": str(error)}, status=404)


async def _conflict(_: Request, error: Exception) -> Response:
    return _json({"detail": str(error)}, status=409)


async def _name_the_fields(_: Request, error: Exception) -> Response:
    """Where and what, but not the input: NaN or half a character would break the answer."""
    problems = cast(RequestValidationError, error).errors()
    return _json(
        {"detail": [{key: problem[key] for key in ("loc", "msg", "type")} for problem in problems]},
        status=422,
    )


def _json(content: object, *, status: int) -> Response:
    return Response(json.dumps(content), status_code=status, media_type="application/json")
