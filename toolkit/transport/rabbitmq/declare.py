"""Applies a topology to a broker, and reports every difference at once.

Receives a `Topology`, hands nothing back or raises one `TopologyError` with all it found.

A declaration with other arguments than what exists closes its channel, so each one that may
differ is made on a channel of its own. The broker names one differing argument at a time: we
adopt its value and ask again until it agrees, which never changes or creates anything, because
the queue exists.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiormq import exceptions as foreign
from aiormq.channel import Channel as WireChannel
from pamqp import commands as spec

from toolkit.errors import Difference, TransportError
from toolkit.topology.declarations import Binding, Topology, TopologyMode, Version
from toolkit.topology.drift import Findings
from toolkit.transport.rabbitmq.channel import OpenChannel, answered, open_channel
from toolkit.transport.rabbitmq.connection import OneConnection
from toolkit.transport.rabbitmq.translate import MissingError

_UNEQUAL = re.compile(
    r"inequivalent arg '(?P<argument>[^']*)' for (?:queue|exchange) .*?: "
    r"received (?P<wanted>.*) but current is (?P<found>.*?)$",
    re.DOTALL,
)
_TYPED = re.compile(r"the value '(?P<value>.*)' of type '(?P<type>\w+)'", re.DOTALL)
_MOST_ARGUMENTS = 30
_FLAGS = ("true", "false")
_NUMBERS = ("byte", "short", "signedint", "unsignedint", "unsignedshort", "unsignedbyte", "long")

_UNSAID = {"auto_delete": False, "internal": False, "exclusive": False}


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a declaration says, in a form in which single values can be exchanged."""

    kind: str
    name: str
    arguments: dict[str, Any]
    type: str = ""
    flags: dict[str, bool] = field(default_factory=lambda: {"durable": True})

    def with_value(self, argument: str, value: object) -> "_Shape":
        """The same with one value as the broker has it."""
        if argument == "type":
            return _Shape(self.kind, self.name, self.arguments, str(value), self.flags)
        if argument in ("durable", "auto_delete", "internal", "exclusive"):
            flags = {**self.flags, argument: bool(value)}
            return _Shape(self.kind, self.name, self.arguments, self.type, flags)
        arguments = {k: v for k, v in self.arguments.items() if k != argument}
        if value is not None:
            arguments[argument] = value
        return _Shape(self.kind, self.name, arguments, self.type, self.flags)

    def wanted(self, argument: str) -> object:
        """The value that was declared."""
        if argument == "type":
            return self.type
        return self.arguments.get(argument, self.flags.get(argument, _UNSAID.get(argument)))

    async def declare(self, channel: WireChannel) -> None:
        """Says it to the broker."""
        if self.kind == "queue":
            await channel.rpc(
                spec.Queue.Declare(queue=self.name, arguments=self.arguments, **self.flags)
            )
        else:
            await channel.rpc(
                spec.Exchange.Declare(
                    exchange=self.name,
                    exchange_type=self.type,
                    arguments=self.arguments,
                    **self.flags,
                )
            )

    async def look_up(self, channel: WireChannel) -> None:
        """Asks whether something of this name exists."""
        if self.kind == "queue":
            await channel.queue_declare(self.name, passive=True)
        else:
            await channel.exchange_declare(self.name, exchange_type=self.type, passive=True)


class Declarer:
    """Declares one topology on one connection, over channels that may be lost."""

    def __init__(self, connection: OneConnection, version: Version) -> None:
        self._connection = connection
        self._version = version
        self._channel: OpenChannel | None = None

    async def apply(
        self, topology: Topology, mode: TopologyMode, *, all_or_nothing: bool = True
    ) -> None:
        """Makes sure of the topology.

        "declare" creates what is missing; "check" only looks; "off" does nothing. With
        `all_or_nothing` nothing is created where anything differs; without, what differs stands in
        the way of nothing else. Raises `TopologyError` with every difference and refusal,
        `ConnectionLostError` when cut.
        """
        findings = Findings()
        try:
            if mode != "off":
                await self._make_sure(topology, mode, findings, all_or_nothing=all_or_nothing)
            for exchange in topology.exchanges:
                await self._may_publish(exchange.name, findings)
            if topology.queues:
                await self._may_publish_to_queues(findings)
        finally:
            await self.close()
        findings.raise_if_any()

    async def compare(self, topology: Topology) -> Findings:
        """What exists otherwise, and what the user may not compare. Changes nothing. Raises a
        `TransportError` when cut.
        """
        findings = Findings()
        try:
            for shape in self._shapes(topology):
                if await self._exists(shape):
                    await self._compare(shape, findings, may_declare=True)
        finally:
            await self.close()
        return findings

    async def _make_sure(
        self, topology: Topology, mode: TopologyMode, findings: Findings, *, all_or_nothing: bool
    ) -> None:
        """Looks at everything first."""
        missing = []
        for shape in self._shapes(topology):
            if await self._exists(shape):
                await self._compare(shape, findings, may_declare=mode == "declare")
            elif mode == "declare":
                missing.append(shape)
            else:
                findings.add_missing(shape.kind, shape.name)
        if mode != "declare" or (all_or_nothing and findings.is_any):
            return
        for shape in missing:
            await self._create(shape, findings)
        if not (all_or_nothing and findings.is_any):
            for binding in topology.bindings:
                await self._bind(binding, findings)

    async def close(self) -> None:
        """Gives back the channel, if there is one."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    def _shapes(self, topology: Topology) -> Iterator[_Shape]:
        for exchange in topology.exchanges:
            yield _Shape("exchange", exchange.name, exchange.arguments, exchange.type)
        for queue in topology.queues:
            yield _Shape("queue", queue.name, queue.arguments(self._version))

    async def _exists(self, shape: _Shape) -> bool:
        try:
            await self._call(shape.look_up, shape)
        except MissingError:
            return False
        except TransportError as error:
            if not isinstance(error.__cause__, foreign.ChannelClosed):
                raise
        return True  # also where it can't be looked at

    async def _compare(self, shape: _Shape, findings: Findings, *, may_declare: bool) -> None:
        """A declaration of what exists changes nothing, and tells whether it is the same."""
        try:
            await self._call(shape.declare, shape)
        except TransportError as error:
            match error.__cause__:
                case foreign.ChannelPreconditionFailed() as cause:
                    findings.differences += await self._differences(shape, cause, findings)
                case foreign.ChannelAccessRefused() if not may_declare:
                    pass  # it exists; comparing it needs a permission that checking doesn't
                case _:
                    self._take_down(error, shape, findings)

    async def _create(self, shape: _Shape, findings: Findings) -> None:
        try:
            await self._call(shape.declare, shape)
        except TransportError as error:
            self._take_down(error, shape, findings)

    def _take_down(self, error: TransportError, shape: _Shape, findings: Findings) -> None:
        match error.__cause__:
            case foreign.ChannelAccessRefused():
                findings.refusals.append(_refused(str(error), "configure", shape.name))
            case foreign.ChannelClosed():
                findings.problems.append(str(error))
            case _:
                raise error

    async def _differences(
        self, shape: _Shape, cause: BaseException, findings: Findings
    ) -> list[Difference]:
        """Every argument that differs, by asking with the broker's own values."""
        found: list[Difference] = []
        asked = shape
        for _ in range(_MOST_ARGUMENTS):
            said = _UNEQUAL.search(str(cause))
            if said is None:
                if not found:
                    findings.problems.append(f"{shape.kind} '{shape.name}': {cause}")
                break
            argument = said["argument"]
            value = _value(said["found"], like=shape.wanted(argument))
            if any(difference.argument == argument for difference in found):
                break  # the broker doesn't take its own value for the same
            found.append(
                Difference(shape.kind, shape.name, argument, shape.wanted(argument), value)
            )
            asked = asked.with_value(argument, value)
            try:
                await self._call(asked.declare, asked)
                break
            except TransportError as error:
                if not isinstance(error.__cause__, foreign.ChannelPreconditionFailed):
                    break
                cause = error.__cause__
        return found

    async def _bind(self, binding: Binding, findings: Findings) -> None:
        try:
            async with self._borrowed() as channel:
                await answered(
                    channel.queue_bind(binding.queue, binding.exchange, binding.routing_key),
                    f"binding queue '{binding.queue}' to exchange '{binding.exchange}'",
                )
        except TransportError as error:
            match error.__cause__:
                case foreign.ChannelAccessRefused():
                    findings.refusals.append(
                        f"{error}; binding needs `write` on '{binding.queue}' and `read` on "
                        f"'{binding.exchange}'"
                    )
                case foreign.ChannelClosed():
                    findings.problems.append(str(error))
                case _:
                    raise

    async def _may_publish(self, exchange: str, findings: Findings) -> None:
        """Whether this user may publish to an exchange, without publishing.

        Unbinding checks `write` on the destination first, and then refuses the default exchange
        as a source; which of the two refusals comes back is the answer.
        """
        try:
            async with self._borrowed() as channel:
                await answered(
                    channel.exchange_unbind(exchange, "", routing_key="permission"),
                    f"publishing to exchange '{exchange}'",
                )
        except TransportError as error:
            cause = error.__cause__
            if isinstance(cause, foreign.ChannelAccessRefused):
                if "default exchange" not in str(cause):
                    findings.refusals.append(_refused(str(error), "write", exchange))
            elif not isinstance(cause, foreign.ChannelClosed):
                raise

    async def _may_publish_to_queues(self, findings: Findings) -> None:
        """The same for the default exchange, over which copies go: a publish to a queue that
        can't exist is dropped, or refused.
        """
        try:
            async with self._borrowed() as channel:
                await answered(
                    _as_coroutine(_publish_to_nobody, channel), "publishing to queues by name"
                )
        except TransportError as error:
            match error.__cause__:
                case foreign.ChannelAccessRefused():
                    findings.refusals.append(_refused(str(error), "write", "amq.default"))
                case foreign.ChannelClosed():
                    findings.problems.append(str(error))
                case _:
                    raise

    async def _call(self, call: Callable[[WireChannel], Awaitable[None]], shape: _Shape) -> None:
        async with self._borrowed() as channel:
            await answered(_as_coroutine(call, channel), f"declaring {shape.kind} '{shape.name}'")

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[WireChannel]:
        """A channel that is open now; a new one where the last call has cost it."""
        if self._channel is None or not self._channel.is_open:
            self._channel = await open_channel(self._connection)
        try:
            yield self._channel.wire
        except TransportError:
            await self._channel.close()
            raise


async def _as_coroutine(
    call: Callable[[WireChannel], Awaitable[None]], channel: WireChannel
) -> None:
    await call(channel)


async def _publish_to_nobody(channel: WireChannel) -> None:
    await channel.basic_publish(
        b"",
        exchange="",
        routing_key=f"nobody.{uuid4().hex}",
        properties=spec.Basic.Properties(message_id=uuid4().hex),
        mandatory=False,
        wait=False,
    )


def _refused(sentence: str, permission: str, name: str) -> str:
    return (
        f"{sentence}; it needs the `{permission}` permission on '{name}' "
        "(`rabbitmqctl set_permissions -p VHOST USER CONFIGURE WRITE READ`)"
    )


def _value(text: str, *, like: object) -> object:
    """The value in a broker's sentence: none, a quoted one, or one with its type.

    A quoted one has no type; it is taken to have that of the value that was wanted.
    """
    if text == "none":
        return None
    typed = _TYPED.fullmatch(text)
    value = typed["value"] if typed else text.strip("'")
    is_number = typed["type"] in _NUMBERS if typed else type(like) is int
    is_flag = typed["type"] == "bool" if typed else type(like) is bool or value in _FLAGS
    if is_flag and value in _FLAGS:
        return value == "true"
    return int(value) if is_number and value.lstrip("-").isdigit() else value
