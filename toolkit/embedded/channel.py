"""One channel: messages put together from frames, handed to the broker, and out again.

Receives frames from a session, hands it the answers and what the channel's consumers are given.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from secrets import token_urlsafe
from typing import Protocol

from pamqp.base import Frame
from pamqp.commands import Basic, Channel, Confirm

from toolkit.embedded.declaration import Declarations, Owners
from toolkit.embedded.frame import Code, Fault, framed, read_method, reply_text, said
from toolkit.transport.memory.broker import Fate, MemoryBroker
from toolkit.transport.memory.channel import Channel as MemoryChannel
from toolkit.transport.memory.channel import TaggedDelivery
from toolkit.transport.memory.message import NotEncodableError
from toolkit.transport.memory.refusal import NOT_ALLOWED, Refusal, precondition_failed
from toolkit.transport.rabbitmq.frames import (
    BASIC,
    BASIC_DELIVER,
    BASIC_PUBLISH,
    BASIC_RETURN,
    CONTENT,
    HEADER,
    METHOD,
    METHOD_ID,
    TAG,
    MalformedFrameError,
    Mark,
    content,
    settling,
    short,
    short_at,
)
from toolkit.transport.rabbitmq.wire import UnreadableError, decode_properties, encode_properties

_PUBLISH = METHOD_ID.pack(BASIC_PUBLISH)
_GET_OK = Basic.GetOk.index
_NO_ROUTE = (312).to_bytes(2, "big") + short("NO_ROUTE")
_MANDATORY, _IMMEDIATE = 1, 2


class Connection(Protocol):
    """What a channel needs of its connection."""

    service: str
    hears_cancels: bool

    @property
    def frame_max(self) -> int:
        """Bytes of the longest frame that was agreed on."""
        ...

    def write(self, pieces: Iterable[bytes]) -> None:
        """Sends whole frames, given in pieces."""
        ...

    def abort(self) -> None:
        """Cuts it, as the network would."""
        ...


@dataclass(slots=True)
class _Publishing:
    """A message that is still coming in."""

    exchange: str
    routing_key: str
    is_mandatory: bool
    properties: bytes = b""
    missing: int | None = None
    body: bytearray = field(default_factory=bytearray)


class WireChannel:
    """A channel in the broker, and the frames of its number."""

    def __init__(
        self, number: int, connection: Connection, memory: MemoryBroker, owners: Owners
    ) -> None:
        self.broker_side = MemoryChannel(memory, service=connection.service)
        self.is_closing = False
        """Whether it was refused something, and nothing counts any more but the client's answer."""
        self._number = number
        self._connection = connection
        self._memory = memory
        self._declarations = Declarations(memory, owners, connection)
        self._publishing: _Publishing | None = None
        self._published: count[int] | None = None
        self._prefetch = 0
        self._tags: dict[str, str] = {}
        self._registrations = count()

    def take(self, kind: int, payload: bytes) -> None:
        """One frame. Raises `Refusal` for what costs the channel, `Fault` for the connection."""
        if kind == METHOD:
            if self._publishing is not None:
                raise Fault(Code.UNEXPECTED_FRAME, "a method came where content was due")
            if payload.startswith(_PUBLISH):
                self._publishing = _publishing(payload)
                return
            method = read_method(payload)
            answer = self._answer(method)
            if answer is not None and not getattr(method, "nowait", False):
                self._say(answer)
        elif kind == HEADER:
            self._take_header(payload)
        else:
            self._take_body(payload)

    def refuse(self, refusal: Refusal, payload: bytes) -> None:
        """Closes it for what a frame asked."""
        self.broker_side.close()
        self.is_closing = True
        self._publishing = None
        method = payload if len(payload) >= METHOD_ID.size else _PUBLISH
        class_id, method_id = divmod(METHOD_ID.unpack_from(method)[0], 1 << 16)
        self._say(said(Channel.Close(refusal.code, reply_text(refusal.text), class_id, method_id)))

    # -------------------------------------------------------------------------- methods

    def _answer(self, method: Frame) -> bytes | None:  # noqa: PLR0911, PLR0912 - one for each method
        """Does what a method says."""
        channel = self.broker_side
        match method:
            case Basic.Ack():
                channel.ack(method.delivery_tag, multiple=method.multiple)
            case Basic.Nack():
                channel.nack(method.delivery_tag, requeue=method.requeue, multiple=method.multiple)
            case Basic.Reject():
                channel.reject(method.delivery_tag or 0, requeue=method.requeue)
            case Basic.Recover() | Basic.RecoverAsync() if not method.requeue:
                raise Fault(Code.NOT_IMPLEMENTED, "requeue=false")
            case Basic.Recover() | Basic.RecoverAsync():
                channel.nack(0, requeue=True, multiple=True)
                return said(Basic.RecoverOk()) if isinstance(method, Basic.Recover) else None
            case Basic.Qos():
                if method.prefetch_size:
                    raise Fault(Code.NOT_IMPLEMENTED, f"prefetch_size!=0 ({method.prefetch_size})")
                self._prefetch = method.prefetch_count
                return said(Basic.QosOk())
            case Basic.Consume():
                self._consume(method)
            case Basic.Cancel():
                self._cancel(method.consumer_tag or "")
                return said(Basic.CancelOk(method.consumer_tag))
            case Basic.Get():
                self._get(method)
            case Confirm.Select():
                self._published = self._published or count(1)
                return said(Confirm.SelectOk())
            case Channel.Flow():
                if not method.active:
                    raise Fault(Code.NOT_IMPLEMENTED, "active=false")
                return said(Channel.FlowOk(active=True))
            case Channel.Open():
                raise Fault(Code.CHANNEL_ERROR, "second 'channel.open' seen")
            case _:
                return self._declarations.answer(method)
        return None

    def _consume(self, method: Basic.Consume) -> None:
        queue = self._declarations.queue(method.queue)
        tag = method.consumer_tag or f"amq.ctag-{token_urlsafe(16)}"
        if tag in self._tags:
            raise Refusal(NOT_ALLOWED, f"attempt to reuse consumer tag '{tag}'")
        self._memory.queue(queue)  # or is refused, before the client is told that all is well
        if not method.nowait:
            self._say(said(Basic.ConsumeOk(tag)))
        # The broker's side keeps a cancelled consumer's tag for what it still holds.
        self._tags[tag] = registered = f"{tag} {next(self._registrations)}"
        self.broker_side.consume(
            queue,
            registered,
            partial(self._deliver, tag),
            prefetch=self._prefetch,
            acks_by_itself=method.no_ack,
            gone=partial(self._gone, tag),
        )

    def _cancel(self, tag: str) -> None:
        registered = self._tags.pop(tag, None)
        if registered is not None:
            self.broker_side.cancel(registered)

    def _gone(self, tag: str) -> None:
        self._tags.pop(tag, None)
        if self._connection.hears_cancels:
            self._say(said(Basic.Cancel(tag, nowait=True)))

    def _deliver(self, tag: str, found: TaggedDelivery) -> None:
        start = METHOD_ID.pack(BASIC_DELIVER) + short(tag)
        self._send(start + _where_from(found), found)

    def _get(self, method: Basic.Get) -> None:
        queue = self._declarations.queue(method.queue)
        found = self.broker_side.get(queue)
        if found is None:
            self._say(said(Basic.GetEmpty()))
            return
        if method.no_ack:
            self.broker_side.ack(found.tag)
        left = self._memory.queues[queue].ready if queue in self._memory.queues else 0
        self._send(METHOD_ID.pack(_GET_OK) + _where_from(found) + left.to_bytes(4, "big"), found)

    # -------------------------------------------------------------------------- publishing

    def _take_header(self, payload: bytes) -> None:
        publishing = self._publishing
        if publishing is None or publishing.missing is not None:
            raise Fault(Code.UNEXPECTED_FRAME, "a content header came where none was due")
        if len(payload) < CONTENT.size or payload[:2] != BASIC.to_bytes(2, "big"):
            raise Fault(Code.FRAME_ERROR, "a content header can't be read")
        publishing.missing = size = CONTENT.unpack_from(payload)[2]
        publishing.properties = payload[CONTENT.size :]
        if size > self._memory.largest_body:
            precondition_failed(
                f"message size {size} is larger than configured max size "
                f"{self._memory.largest_body}"
            )
        if not size:
            self._publish(publishing)

    def _take_body(self, payload: bytes) -> None:
        publishing = self._publishing
        if publishing is None or publishing.missing is None:
            raise Fault(Code.UNEXPECTED_FRAME, "a content body came where none was due")
        publishing.missing -= len(payload)
        if publishing.missing < 0:
            raise Fault(Code.FRAME_ERROR, "a content body is longer than its header says")
        publishing.body += payload
        if not publishing.missing:
            self._publish(publishing)

    def _publish(self, publishing: _Publishing) -> None:
        """To the broker; what came of it is said in the order that AMQP asks for, return first."""
        self._publishing = None
        body = bytes(publishing.body)
        exchange, key = publishing.exchange, publishing.routing_key
        try:
            envelope = decode_properties(publishing.properties, body)
            fate = self.broker_side.publish(envelope, exchange, key)
        except UnreadableError as error:
            raise Fault(Code.FRAME_ERROR, str(error)) from error
        except NotEncodableError as error:
            precondition_failed(f"the broker in memory can't keep this message: {error}")
        if fate is Fate.UNKNOWN:
            self._connection.abort()  # a test has ordered its confirm to be lost
            return
        if fate is Fate.RETURNED and publishing.is_mandatory:
            method = METHOD_ID.pack(BASIC_RETURN) + _NO_ROUTE + short(exchange) + short(key)
            self._send_content(method, publishing.properties, body)
        if self._published is not None:
            self._confirm(next(self._published), is_taken=fate is not Fate.REFUSED)

    def _confirm(self, tag: int, *, is_taken: bool) -> None:
        if is_taken:
            self._connection.write((settling(self._number, Mark.ACK, tag, multiple=False),))
        else:
            self._say(said(Basic.Nack(tag, multiple=False, requeue=False)))

    # -------------------------------------------------------------------------- writing

    def _say(self, payload: bytes) -> None:
        self._connection.write((framed(METHOD, self._number, payload),))

    def _send(self, method: bytes, found: TaggedDelivery) -> None:
        self._send_content(method, encode_properties(found.envelope), found.envelope.body)

    def _send_content(self, method: bytes, properties: bytes, body: bytes) -> None:
        start = framed(METHOD, self._number, method)
        rest = content(self._number, properties, body, self._connection.frame_max)
        self._connection.write((start, *rest))


def _publishing(payload: bytes) -> _Publishing:
    """What Basic.Publish says; its texts need not be UTF-8, and go out as they came."""
    try:
        exchange, at = short_at(payload, METHOD_ID.size + 2, len(payload))
        key, at = short_at(payload, at, len(payload))
        bits = payload[at]
    except (MalformedFrameError, IndexError) as error:
        raise Fault(Code.FRAME_ERROR, "Basic.Publish can't be read") from error
    if bits & _IMMEDIATE:
        raise Fault(Code.NOT_IMPLEMENTED, "immediate=true")
    return _Publishing(_text(exchange), _text(key), bool(bits & _MANDATORY))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _where_from(found: TaggedDelivery) -> bytes:
    tag = TAG.pack(found.tag, found.is_redelivered)
    return tag + short(found.exchange) + short(found.routing_key)
