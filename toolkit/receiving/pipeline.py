"""The way in: decode, middleware, handle, outcome, settle.

Receives a delivery from the pump, hands an outcome to settlement. The one place where an
exception becomes an outcome.
"""

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from tenacity import AsyncRetrying, retry_if_result, stop_after_attempt

from toolkit.errors import (
    HandlerCancelledError,
    HandlerTimeoutError,
    UndecodableError,
    UnhandledTypeError,
)
from toolkit.messages.codec import Codec
from toolkit.messages.contract import Message
from toolkit.middleware import Middleware, Step, compose
from toolkit.observability.events import Failed, HandedBack
from toolkit.observability.hooks import Hooks
from toolkit.policies.outcome import Ack, DeadLetter, Outcome, Quarantine, RetryLater
from toolkit.policies.retry import IN_PLACE
from toolkit.receiving import copies
from toolkit.receiving.consumer import Consumer, timeout_of
from toolkit.receiving.context import Context, Sending
from toolkit.receiving.settlement import HANDLERS_FAULT, Settlement
from toolkit.receiving.switch import Switch
from toolkit.receiving.work import Key, Work, key_of
from toolkit.topology.plan import Subscription
from toolkit.transport.clock import WALL, Clock, expire
from toolkit.transport.port import Delivery

Decode = Callable[[bytes], Message]
Decide = Callable[[Delivery, Context], Awaitable[Outcome]]

log = structlog.get_logger("toolkit.receiving")

ACK = Ack()
QUARANTINE = Quarantine()

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
        self._subscription = subscription
        self._policy = subscription.retry
        self._settlement = settlement
        self._codec = codec
        self._sending = sending
        self._hooks = hooks
        self._crash_budget = crash_budget
        self._is_stopping = is_stopping
        self._decoders = _decoders(subscription, codec)
        self._only_decoder = _only(self._decoders)
        self._handle = compose(middlewares, _calling(consumer))
        self._limit = timeout_of(consumer)
        self._clock = clock
        self._work = Work(prefetch)
        self._switch = switch

    async def receive(self, delivery: Delivery) -> None:
        """One delivery, from its bytes to its one settlement."""
        await self._once(delivery, self._outcome)

    async def receive_alone(self, delivery: Delivery) -> None:
        """The same for a suspect, which is not sent to the suspects once more."""
        await self._once(delivery, self._handled)

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

    async def _once(self, delivery: Delivery, decide: Decide) -> None:
        """Unless it is finished already, as far as this process knows."""
        key = key_of(delivery)
        if key is None:
            await self._receive(delivery, decide)
            return
        if delivery.is_redelivered and await self._is_old_work(delivery, key):
            self._context(delivery).log.info("finished before its connection was lost")
            delivery.ack()
            return
        self._work.begin(key)
        is_finished = False
        try:
            is_finished = await self._receive(delivery, decide)
        finally:
            self._work.end(key, is_finished=is_finished)

    async def _is_old_work(self, delivery: Delivery, key: Key) -> bool:
        try:
            return await self._work.is_finished(key)
        except asyncio.CancelledError:
            delivery.give_back()
            raise

    async def _receive(self, delivery: Delivery, decide: Decide) -> bool:
        """Whether nothing is left to do for it, and nothing under its id is yet to come."""
        started = time.perf_counter()
        context = self._context(delivery)
        try:
            outcome = await decide(delivery, context)
            try:
                return await self._settlement.settle(delivery, context, outcome, started)
            except HANDLERS_FAULT as error:
                self._hooks.emit(Failed(**context.facts(), error=error))
                outcome = self._decide(error, context)
                return await self._settlement.settle(delivery, context, outcome, started)
        except asyncio.CancelledError:
            if not delivery.is_settled:
                delivery.give_back()
                self._hooks.emit(HandedBack(**context.facts()))
            raise
        except Exception as error:
            # A fault of ours. The message must not go round and round because of it.
            log.exception(
                "the engine failed", consumer=context.consumer, message_id=context.message_id
            )
            if delivery.is_settled:
                return False
            return await self._settlement.settle(
                delivery, context, DeadLetter("failed", error), started
            )

    async def _outcome(self, delivery: Delivery, context: Context) -> Outcome:
        if delivery.envelope.headers:
            if (
                delivery.earlier_deliveries > self._crash_budget
                and self.charge_of(delivery) > self._crash_budget
            ):
                return QUARANTINE
            if self._policy.rungs and (left := copies.due(delivery, self._clock.now())) is not None:
                return RetryLater(left, None, counts=False)
        return await self._handled(delivery, context)

    async def _handled(self, delivery: Delivery, context: Context) -> Outcome:
        try:
            message = self._decode(delivery)
        except UndecodableError as error:
            return DeadLetter("undecodable", error)
        except UnhandledTypeError as error:
            return DeadLetter("unhandled", error)
        return await self._tried(Incoming(message, context))

    async def _tried(self, incoming: Incoming) -> Outcome:
        """Handles, in rounds: tries in place, then delays too short for the broker."""
        context = incoming.context
        switch = self._switch
        while True:
            phase = switch.phase if switch else 0
            error = await self._round(incoming)
            if switch and (error is None or self._policy.is_retryable(error)):
                switch.note(phase, is_failure=error is not None)
            if error is None:
                return ACK
            outcome = self._decide(error, context)
            if not isinstance(outcome, RetryLater) or outcome.delay >= IN_PLACE:
                return outcome
            await self._clock.sleep(outcome.delay)
            context.rounds += 1

    async def _round(self, incoming: Incoming) -> BaseException | None:
        """One try, and `immediately` more: the last error, or None. tenacity comes in only once
        something has failed.
        """
        error = await self._run(incoming)
        if error is None or not self._policy.immediately or not self._policy.is_retryable(error):
            return error
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self._policy.immediately),
            retry=retry_if_result(self._is_worth_another),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        return await retrying(self._run, incoming)

    def _is_worth_another(self, error: BaseException | None) -> bool:
        return error is not None and self._policy.is_retryable(error)

    async def _run(self, incoming: Incoming) -> BaseException | None:
        """The handler, once; what it raised is told and returned. This is the boundary at which
        an error becomes data.
        """
        incoming.context.begin_attempt()
        try:
            await self._within_time(incoming)
            return None
        except (KeyboardInterrupt, SystemExit):
            raise
        except asyncio.CancelledError as stray:
            if self._is_stopping():
                raise
            error: BaseException = HandlerCancelledError(
                f"a CancelledError came out of {incoming.context.consumer} although nobody was "
                "stopping it"
            )
            error.__cause__ = stray
        except BaseException as raised:  # noqa: BLE001 - the boundary
            error = raised
        self._hooks.emit(Failed(**incoming.context.facts(), error=error))
        return error

    async def _within_time(self, incoming: Incoming) -> None:
        if self._limit is None:
            await self._handle(incoming)
            return
        deadline = asyncio.timeout(None)
        try:
            async with deadline:
                timer = self._clock.call_later(self._limit, partial(expire, deadline))
                try:
                    await self._handle(incoming)
                finally:
                    timer.cancel()
        except TimeoutError as error:
            if deadline.expired():
                seconds = self._limit.total_seconds()
                raise HandlerTimeoutError(incoming.context.consumer, seconds) from error
            raise

    def _decide(self, error: BaseException, context: Context) -> Outcome:
        salt = zlib.crc32(f"{context.message_id}{context.rounds}".encode(errors="replace"))
        return self._policy.decide(error, rounds=context.rounds, salt=salt)

    def _decode(self, delivery: Delivery) -> Message:
        envelope = delivery.envelope
        if envelope.unreadable:
            raise UndecodableError(envelope.unreadable)
        if not self._codec.accepts(envelope.content_type):
            raise UndecodableError(
                f"content type '{envelope.content_type}' can't be read here; "
                f"send {self._codec.content_type}"
            )
        if envelope.content_encoding and envelope.content_encoding.lower() not in _PLAIN:
            raise UndecodableError(
                f"content encoding '{envelope.content_encoding}' can't be read here; send it plain"
            )
        return self._decoder(delivery)(envelope.body)

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
        subscription = self._subscription
        return Context(
            delivery,
            queue=subscription.queue,
            consumer=subscription.consumer,
            sending=self._sending,
        )


def _decoders(subscription: Subscription, codec: Codec) -> Mapping[str, Decode]:
    return {contract.name: codec.decoder(contract.model) for contract in subscription.contracts}


def _only(decoders: Mapping[str, Decode]) -> Decode | None:
    return next(iter(decoders.values())) if len(decoders) == 1 else None


def _calling(consumer: Consumer[Any]) -> Step[Incoming]:
    handle = consumer.handle

    def call(incoming: Incoming) -> Any:
        return handle(incoming.message, incoming.context)

    return call
