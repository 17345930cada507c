"""The way in: decode, middleware, handle, outcome, settle.

Receives a delivery from the pump, hands an outcome to settlement. The one place where an
exception becomes an outcome.
"""

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from tenacity import AsyncRetrying, retry_if_result, stop_after_attempt

from toolkit.errors import (
    HandlerCancelledError,
    HandlerTimeoutError,
    UndecodableError,
    UnhandledTypeError,
)
from toolkit.messages import headers as wire
from toolkit.messages.codec import Codec
from toolkit.messages.contract import Message
from toolkit.middleware import Middleware, compose
from toolkit.observability.events import Failed, HandedBack
from toolkit.observability.hooks import Hooks
from toolkit.policies.outcome import Ack, DeadLetter, Outcome, Quarantine, RetryLater
from toolkit.policies.retry import IN_PLACE
from toolkit.receiving import copies
from toolkit.receiving.consumer import Consumer, timeout_of
from toolkit.receiving.context import Context, Sending
from toolkit.receiving.deadline import Deadlines, Run
from toolkit.receiving.settlement import HANDLERS_FAULT, Settlement
from toolkit.receiving.switch import Switch
from toolkit.receiving.work import Key, Work, key_of
from toolkit.topology.plan import Subscription
from toolkit.transport.clock import WALL, Clock
from toolkit.transport.port import Delivery

Decode = Callable[[bytes], Message]

log = structlog.get_logger("toolkit.receiving")

ACK = Ack()
QUARANTINE = Quarantine()

_MOST_CONTENT_TYPES = 100  # whose acceptance is remembered; a sender may make up any number
_PLAIN = ("utf-8", "utf8", "identity")  # content encodings that need no decoding


@dataclass(slots=True)
class Incoming:
    """A message with its context, as receiving middleware sees it."""

    message: Message
    context: Context


class ReceivePipeline:
    """Every step from a delivery to its settlement, for one consumer."""

    def __init__(
        self,
        consumer: Consumer[Any],
        subscription: Subscription,
        settlement: Settlement,
        *,
        codec: Codec,
        sending: Sending,
        hooks: Hooks,
        crash_budget: int,
        is_stopping: Callable[[], bool],
        prefetch: int,
        switch: Switch | None = None,
        clock: Clock = WALL,
        middlewares: Sequence[Middleware[Incoming]] = (),
    ) -> None:
        self._queue = subscription.queue
        self._name = subscription.consumer
        self._policy = subscription.retry
        self._has_rungs = bool(subscription.retry.rungs)
        self._settlement = settlement
        self._codec = codec
        self._sending = sending
        self._hooks = hooks
        self._crash_budget = crash_budget
        self._is_stopping = is_stopping
        self._decoders = _decoders(subscription, codec)
        self._only_decoder = _only(self._decoders)
        self._content_types: set[str | None] = set()
        self._handle = _handling(consumer, middlewares)
        self._clock = clock
        limit = timeout_of(consumer)
        self._deadlines = None if limit is None else Deadlines(limit, clock)
        self._work = Work(prefetch)
        self._switch = switch

    async def receive(self, delivery: Delivery, *, is_alone: bool = False) -> None:
        """One delivery, from its bytes to its one settlement, unless it is finished already, as far
        as this process knows.
        """
        key = key_of(delivery)
        if key is not None:
            if delivery.is_redelivered and await self._is_old_work(delivery, key):
                return
            self._work.begin(key)
        started = time.perf_counter()
        context = self._context(delivery)
        is_finished = False
        try:
            outcome = await self._outcome(delivery, context, is_alone=is_alone)
            if outcome is ACK and not context.held:
                self._settlement.acknowledge(delivery, context, started)
                is_finished = True
            else:
                is_finished = await self._settle(delivery, context, outcome, started)
        except asyncio.CancelledError:
            self._hand_back(delivery, context)
            raise
        except Exception as error:
            log.exception("the engine failed", consumer=self._name, message_id=context.message_id)
            is_finished = await self._settle_fault(delivery, context, error, started)
        finally:
            if key is not None:
                self._work.end(key, is_finished=is_finished)

    async def receive_alone(self, delivery: Delivery) -> None:
        """The same for a suspect, which is not sent to the suspects once more."""
        await self.receive(delivery, is_alone=True)

    def close(self) -> None:
        """Waits for nothing any more."""
        if self._deadlines is not None:
            self._deadlines.close()

    def charge_of(self, delivery: Delivery) -> int:
        """How many earlier deliveries may have killed their process: those that this one survived,
        because a connection was lost or the message was given back, are no evidence.
        """
        key = key_of(delivery)
        return delivery.earlier_deliveries - (self._work.survived(key) if key else 0)

    def survive(self, delivery: Delivery) -> None:
        """It came to nothing before it was begun."""
        if key := key_of(delivery):
            self._work.survive(key)

    async def bury(self, delivery: Delivery, outcome: DeadLetter) -> None:
        """Dead-letters a delivery without handling it."""
        await self._settlement.settle(delivery, self._context(delivery), outcome, 0.0)

    async def _is_old_work(self, delivery: Delivery, key: Key) -> bool:
        """Whether a delivery that came again was finished before, and so is settled now."""
        try:
            is_finished = await self._work.is_finished(key)
        except asyncio.CancelledError:
            delivery.give_back()
            raise
        if is_finished:
            self._context(delivery).log.info("finished before its connection was lost")
            delivery.ack()
        return is_finished

    async def _outcome(self, delivery: Delivery, context: Context, *, is_alone: bool) -> Outcome:
        """What becomes of it; whatever a handler does is an outcome."""
        if not is_alone and (elsewhere := self._elsewhere(delivery)) is not None:
            return elsewhere
        try:
            message = self._decode(delivery)
        except UndecodableError as error:
            return DeadLetter("undecodable", error)
        except UnhandledTypeError as error:
            return DeadLetter("unhandled", error)
        phase = self._switch.phase if self._switch else 0
        failure = await self._run(message, context)
        if failure is not None:
            return await self._after(failure, message, context, phase)
        if self._switch:
            self._switch.note(phase, is_failure=False)
        return ACK

    def _elsewhere(self, delivery: Delivery) -> Outcome | None:
        """The outcome of a message that is not to be handled here and now."""
        if (
            delivery.earlier_deliveries > self._crash_budget
            and self.charge_of(delivery) > self._crash_budget
        ):
            return QUARANTINE
        if (
            self._has_rungs
            and wire.RETRY_NOT_BEFORE in delivery.envelope.headers
            and (left := copies.due(delivery, self._clock.now())) is not None
        ):
            return RetryLater(left, None, counts=False)
        return None

    async def _run(self, message: Message, context: Context) -> BaseException | None:
        """The handler, once; what it raised is told and returned. This is the boundary at which
        an error becomes data.
        """
        context.begin_attempt()
        run = None if self._deadlines is None else self._deadlines.begin()
        try:
            await self._handle(message, context)
        except BaseException as raised:
            error = self._failure(raised, context, run)
            if error is None:
                raise
            return error
        if run is not None and self._deadlines is not None:
            self._deadlines.end(run)
        return None

    def _failure(
        self, raised: BaseException, context: Context, run: Run | None
    ) -> BaseException | None:
        """The error that a run ended with; None for what is no failure of the handler's."""
        error, limit = raised, None
        if run is not None and self._deadlines is not None and self._deadlines.end(run):
            limit = self._deadlines.limit
        if isinstance(raised, KeyboardInterrupt | SystemExit):
            return None
        if isinstance(raised, asyncio.CancelledError):
            if limit is not None:
                error = HandlerTimeoutError(context.consumer, limit.total_seconds())
            elif self._is_stopping():
                return None
            else:
                error = HandlerCancelledError(
                    f"a CancelledError came out of {context.consumer} although nobody was "
                    "stopping it"
                )
            error.__cause__ = raised
        self._hooks.emit(Failed(**context.facts(), error=error))
        return error

    async def _after(
        self, failure: BaseException | None, message: Message, context: Context, phase: int
    ) -> Outcome:
        """What becomes of a message whose first run failed. It is handled in rounds: tries in
        place, then a delay too short for the broker.
        """
        switch = self._switch
        while True:
            error = await self._again(failure, message, context)
            if switch and (error is None or self._policy.is_retryable(error)):
                switch.note(phase, is_failure=error is not None)
            if error is None:
                return ACK
            outcome = self._decide(error, context)
            if not isinstance(outcome, RetryLater) or outcome.delay >= IN_PLACE:
                return outcome
            await self._clock.sleep(outcome.delay)
            context.rounds += 1
            phase = switch.phase if switch else 0
            failure = await self._run(message, context)

    async def _again(
        self, failure: BaseException | None, message: Message, context: Context
    ) -> BaseException | None:
        """`immediately` more tries after a first: the last error, or None."""
        if failure is None or not self._policy.immediately or not self._is_worth_another(failure):
            return failure
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self._policy.immediately),
            retry=retry_if_result(self._is_worth_another),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        return await retrying(self._run, message, context)

    def _is_worth_another(self, error: BaseException | None) -> bool:
        return error is not None and self._policy.is_retryable(error)

    async def _settle(
        self, delivery: Delivery, context: Context, outcome: Outcome, started: float
    ) -> bool:
        """Whether nothing is left to do for it, and nothing under its id is yet to come."""
        try:
            return await self._settlement.settle(delivery, context, outcome, started)
        except HANDLERS_FAULT as error:
            self._hooks.emit(Failed(**context.facts(), error=error))
            outcome = self._decide(error, context)
            return await self._settlement.settle(delivery, context, outcome, started)

    async def _settle_fault(
        self, delivery: Delivery, context: Context, error: Exception, started: float
    ) -> bool:
        """A fault of ours. The message must not go round and round because of it."""
        if delivery.is_settled:
            return False
        return await self._settlement.settle(
            delivery, context, DeadLetter("failed", error), started
        )

    def _hand_back(self, delivery: Delivery, context: Context) -> None:
        if not delivery.is_settled:
            delivery.give_back()
            self._hooks.emit(HandedBack(**context.facts()))

    def _decide(self, error: BaseException, context: Context) -> Outcome:
        salt = zlib.crc32(f"{context.message_id}{context.rounds}".encode(errors="replace"))
        return self._policy.decide(error, rounds=context.rounds, salt=salt)

    def _decode(self, delivery: Delivery) -> Message:
        envelope = delivery.envelope
        if envelope.unreadable:
            raise UndecodableError(envelope.unreadable)
        if envelope.content_type not in self._content_types:
            self._check_content_type(envelope.content_type)
        if envelope.content_encoding and envelope.content_encoding.lower() not in _PLAIN:
            raise UndecodableError(
                f"content encoding '{envelope.content_encoding}' can't be read here; send it plain"
            )
        decoder = self._decoders.get(envelope.type) if envelope.type else None
        return (decoder or self._decoder(delivery))(envelope.body)

    def _check_content_type(self, content_type: str | None) -> None:
        """Asks the codec, which says the same every time, once."""
        if not self._codec.accepts(content_type):
            raise UndecodableError(
                f"content type '{content_type}' can't be read here; send {self._codec.content_type}"
            )
        if len(self._content_types) < _MOST_CONTENT_TYPES:
            self._content_types.add(content_type)

    def _decoder(self, delivery: Delivery) -> Decode:
        """By the message's type; without one by its routing key; at last, if there is just one
        type here, that.
        """
        type_name = delivery.envelope.type
        if type_name:
            decoder = self._decoders.get(type_name)
        else:
            _, type_name = copies.origin_of(delivery)
            decoder = self._decoders.get(type_name) or self._only_decoder
        if decoder is None:
            raise UnhandledTypeError(type_name or None, tuple(self._decoders))
        return decoder

    def _context(self, delivery: Delivery) -> Context:
        return Context(delivery, queue=self._queue, consumer=self._name, sending=self._sending)


def _decoders(subscription: Subscription, codec: Codec) -> Mapping[str, Decode]:
    return {contract.name: codec.decoder(contract.model) for contract in subscription.contracts}


def _only(decoders: Mapping[str, Decode]) -> Decode | None:
    return next(iter(decoders.values())) if len(decoders) == 1 else None


def _handling(
    consumer: Consumer[Any], middlewares: Sequence[Middleware[Incoming]]
) -> Callable[[Message, Context], Awaitable[None]]:
    """The handler itself, unless there is middleware around it."""
    handle = consumer.handle
    if not middlewares:
        return handle
    step = compose(middlewares, lambda incoming: handle(incoming.message, incoming.context))
    return lambda message, context: step(Incoming(message, context))
