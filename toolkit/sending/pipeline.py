"""The way out: stamp, encode, middleware, publish.

Receives a message from a producer or from a handler's context, hands a `Publication` to the
transport and returns once the broker has confirmed.
"""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from toolkit.errors import ContractError, MessageTooLargeError, UnroutableError
from toolkit.messages import headers as wire
from toolkit.messages.codec import Codec
from toolkit.messages.contract import Contract, Message, contract_of
from toolkit.messages.envelope import Envelope
from toolkit.messages.outgoing import Outgoing, Publication, SendOptions
from toolkit.middleware import Middleware, compose
from toolkit.observability.events import NobodyListens
from toolkit.observability.hooks import Hooks
from toolkit.topology import naming
from toolkit.transport.clock import WALL

PERSISTENT = 2

_LONGEST_SHORT_STRING = 255  # bytes: AMQP 0-9-1, section 4.2.5.3


NO_OPTIONS = SendOptions()

PublishCall = Callable[[Publication, timedelta], Awaitable[None]]
"""Hands a publication to the transport, and returns once it is confirmed."""


@dataclass(frozen=True, slots=True)
class Route:
    """All about publishing one message type that never changes."""

    contract: Contract
    exchange: str
    is_required: bool
    priority: int | None = None
    expiration: str | None = None

    @classmethod
    def of(
        cls,
        contract: Contract,
        *,
        is_required: bool = False,
        priority: int | None = None,
        ttl: timedelta | None = None,
    ) -> "Route":
        """Events go to the events bus, commands to the one queue that handles them."""
        is_command = contract.kind == "command"
        return cls(
            contract,
            naming.COMMANDS if is_command else naming.EVENTS,
            is_command or is_required,
            _priority(priority),
            None if ttl is None else _milliseconds(ttl),
        )


class SendPipeline:
    """Every step from a message to the broker's confirmation."""

    def __init__(
        self,
        service: str,
        publish: PublishCall,
        codec: Codec,
        hooks: Hooks,
        *,
        timeout: timedelta,
        max_body: int | None = None,
        now: Callable[[], datetime] = WALL.now,
        middlewares: Sequence[Middleware[Outgoing]] = (),
    ) -> None:
        self._service = service
        self._hand_over = publish
        self._encode = codec.encode
        self._content_type = codec.content_type
        self._hooks = hooks
        self._timeout = timeout
        self._max_body = max_body
        self._now = now
        self._routes: dict[type[Message], Route] = {}
        self._lonely: set[str] = set()
        self._proceed = compose(middlewares, self._publish)

    def declare(self, route: Route) -> None:
        """Fixes the route of a type; without this a type gets the default one at first use."""
        self._routes[route.contract.model] = route

    async def send(self, message: Message, options: SendOptions = NO_OPTIONS) -> str:
        """Publishes one message, and returns its id once the broker has confirmed.

        Raises a `PublishError`. An event that no queue takes is logged once for its type, and an
        error only where its declaration says `required=True`.
        """
        outgoing = self.prepare(message, options)
        await self._proceed(outgoing)
        return outgoing.publication.envelope.message_id or ""

    async def release(self, outgoing: Outgoing) -> None:
        """Publishes what was prepared before."""
        await self._proceed(outgoing)

    def prepare(self, message: Message, options: SendOptions = NO_OPTIONS) -> Outgoing:
        """Stamps and encodes. Raises `ContractError` for what can't be a message."""
        route = self._routes.get(type(message)) or self._default_route(message)
        envelope = self._stamp(message, route, options)
        publication = Publication(envelope, route.exchange, route.contract.name, route.is_required)
        if self._max_body is not None and len(envelope.body) > self._max_body:
            raise self._too_large(publication)
        return Outgoing(message, publication, options.timeout or self._timeout)

    def _stamp(self, message: Message, route: Route, options: SendOptions) -> Envelope:
        contract = route.contract
        headers: dict[str, Any] = {wire.SCHEMA_VERSION: contract.version}
        if options.causation_id:
            headers[wire.CAUSATION_ID] = options.causation_id
        if options.headers:
            headers |= _checked(options.headers)
        message_id = correlation_id = os.urandom(16).hex()
        if options.message_id:
            message_id = correlation_id = _short("message_id", options.message_id)
        if options.correlation_id:
            correlation_id = _short("correlation_id", options.correlation_id)
        return Envelope(
            body=self._encode(message),
            message_id=message_id,
            type=contract.name,
            correlation_id=correlation_id,
            timestamp=self._now(),
            app_id=self._service,
            content_type=self._content_type,
            delivery_mode=PERSISTENT,
            priority=route.priority if options.priority is None else _priority(options.priority),
            expiration=route.expiration if options.ttl is None else _milliseconds(options.ttl),
            headers=headers,
        )

    def _too_large(self, publication: Publication) -> MessageTooLargeError:
        size = len(publication.envelope.body)
        return MessageTooLargeError(
            f"a body of {size:,} bytes is over TOOLKIT_MAX_BODY, {self._max_body:,}; "
            "store the content elsewhere and send a reference",
            exchange=publication.exchange,
            routing_key=publication.routing_key,
            message_id=publication.envelope.message_id,
        )

    async def _publish(self, outgoing: Outgoing) -> None:
        publication = outgoing.publication
        try:
            await self._hand_over(publication, outgoing.timeout)
        except UnroutableError:
            if publication.is_required:
                raise
            self._nobody_listens(publication)

    def _nobody_listens(self, publication: Publication) -> None:
        name = publication.envelope.type or publication.routing_key
        if name not in self._lonely:
            self._lonely.add(name)
            self._hooks.emit(
                NobodyListens(
                    type=name,
                    exchange=publication.exchange,
                    routing_key=publication.routing_key,
                )
            )

    def _default_route(self, message: Message) -> Route:
        if not isinstance(message, Message):
            raise ContractError(f"{message!r} is not a message; publish an Event or a Command")
        route = Route.of(contract_of(type(message)))
        self.declare(route)
        return route


def _milliseconds(ttl: timedelta) -> str:
    return str(round(ttl.total_seconds() * 1000))


def _short(name: str, value: str) -> str:
    try:
        size = len(value.encode(errors="surrogateescape"))
    except (UnicodeEncodeError, AttributeError) as error:
        raise ContractError(f"{name} {value!r:.60} is no text that can be sent") from error
    if size > _LONGEST_SHORT_STRING:
        raise ContractError(f"{name} has more than {_LONGEST_SHORT_STRING} bytes: {value[:60]}...")
    return value


def _priority(value: object) -> int | None:
    if value is None or (isinstance(value, int) and 0 <= value <= 255):
        return value
    raise ContractError(f"priority {value!r} is not a whole number from 0 to 255")


def _checked(headers: Mapping[Any, Any]) -> Mapping[str, Any]:
    for name, value in headers.items():
        if not isinstance(name, str) or not name:
            raise ContractError(f"header {name!r} must be named by text")
        _short("a header's name", name)
        if name.startswith("x-"):
            raise ContractError(
                f"header '{name}': names that begin with 'x-' belong to the broker; "
                f"call it '{name[2:]}'"
            )
        if problem := wire.problem_of(value):
            raise ContractError(f"header '{name}': {problem}")
    return headers
