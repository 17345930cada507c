"""One connection: its frames in, its answers out, its heartbeats and its end.

Receives bytes from a socket, hands frames to the handshake and to channels. Whatever comes, it ends
at most this connection; what it held goes back. While the other side doesn't read, nothing is
delivered and nothing is read.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import structlog
from pamqp.base import Frame
from pamqp.commands import Channel
from pamqp.commands import Connection as Methods
from pamqp.header import ProtocolHeader

from toolkit.embedded.channel import WireChannel
from toolkit.embedded.declaration import Owners, delete_exclusive
from toolkit.embedded.frame import Code, Cutter, Fault, framed, read_method, reply_text, said
from toolkit.embedded.handshake import Handshake
from toolkit.transport.memory.broker import MemoryBroker
from toolkit.transport.memory.refusal import Refusal
from toolkit.transport.rabbitmq.frames import A_HEARTBEAT, HEARTBEAT, METHOD, METHOD_ID

log = structlog.get_logger("toolkit.embedded")

_PROTOCOL = ProtocolHeader().marshal()
_TOGETHER = 64 * 1024  # bytes that wait for the end of a turn of the loop, and no longer
_FULL = 256 * 1024  # bytes that the network has not taken, from which on we wait
_HANDSHAKE_TIMEOUT = 10.0
_GOODBYE_TIMEOUT = 1.0
_SILENT_HALVES = 4  # two heartbeats (section 4.2.7)


@dataclass
class Shared:
    """What all connections have in common."""

    memory: MemoryBroker
    owners: Owners = field(default_factory=WeakKeyDictionary)
    sessions: "set[Session]" = field(default_factory=set)
    """All that are open."""
    is_closing: bool = False
    """Whether nobody comes in any more."""


class Session(asyncio.Protocol):
    """See `asyncio.Protocol`."""

    def __init__(self, shared: Shared) -> None:
        self.service = ""
        self.hears_cancels = False
        self.gone = asyncio.Event()
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._handshake = Handshake(shared.memory.version)
        self._cutter = Cutter()
        self._channels: dict[int, WireChannel] = {}
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._beginning: bytes | None = b""
        self._out: list[bytes] = []
        self._waiting = 0
        self._is_full = False
        self._is_ending = False
        self._silence = 0

    @property
    def frame_max(self) -> int:
        """See `channel.Connection`."""
        return self._cutter.largest

    # -------------------------------------------------------------------------- the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_FULL)
        self._shared.sessions.add(self)
        if self._shared.is_closing:
            self.abort()  # it was accepted just before
        self._timer = self._loop.call_later(_HANDSHAKE_TIMEOUT, self.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        self._is_ending = True
        self._give_back()
        if self._timer is not None:
            self._timer.cancel()
        self._shared.sessions.discard(self)
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._silence = 0
        if self._beginning is not None:
            data = self._begin(self._beginning + data)
        self._cutter.feed(data)
        self._work()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._is_full = True
        if self._transport is not None:
            self._transport.pause_reading()
        for channel in self._channels.values():
            channel.broker_side.pause()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._is_full = False
        if self._transport is None:
            return
        self._transport.resume_reading()
        for channel in list(self._channels.values()):
            if not self._is_full:
                channel.broker_side.resume()
        self._work()

    def write(self, pieces: Iterable[bytes]) -> None:
        """Whole frames, in pieces, together with all others of this turn of the loop."""
        if not self._out:
            self._loop.call_soon(self._flush)
        for piece in pieces:
            self._out.append(piece)
            self._waiting += len(piece)
        if self._waiting > _TOGETHER:
            self._flush()

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            out, self._out, self._waiting = self._out, [], 0
            self._transport.write(b"".join(out))

    def abort(self) -> None:
        """Cuts it, as the network would."""
        if self._transport is not None:
            self._transport.abort()

    # -------------------------------------------------------------------------- frames

    def _begin(self, data: bytes) -> bytes:
        """What follows the protocol's name; another name is answered with ours (section 4.2.2)."""
        if data[: len(_PROTOCOL)] == _PROTOCOL:
            self._beginning = None
            self._say(0, self._handshake.greeting())
            return data[len(_PROTOCOL) :]
        self._beginning = data
        if not _PROTOCOL.startswith(data) and not self._is_ending:
            self._is_ending = True
            self.write((_PROTOCOL,))
            self._close()
        return b""

    def _work(self) -> None:
        """Every whole frame, as long as the answers are read."""
        while not self._is_full:
            try:
                frame = self._cutter.next()
            except Fault as fault:
                self._cutter = Cutter()  # nothing after it is believed
                self.end(fault)
                return
            if frame is None:
                return
            self._take(*frame)

    def _take(self, kind: int, number: int, payload: bytes) -> None:
        try:
            if self._is_ending:
                self._listen_for_the_end(kind, number, payload)
            elif kind == HEARTBEAT:
                pass
            elif number == 0:
                self._take_own(kind, payload)
            else:
                self._take_for(number, kind, payload)
        except Fault as fault:
            self.end(fault, payload)
        except Exception:  # a fault of ours costs this connection, never the broker
            log.exception("a frame could not be dealt with", service=self.service)
            self.end(Fault(Code.INTERNAL_ERROR, "see the log of the broker in memory"), payload)

    def _take_own(self, kind: int, payload: bytes) -> None:
        if kind != METHOD:
            raise Fault(Code.FRAME_ERROR, "channel 0 carries methods only")
        method = read_method(payload)
        if isinstance(method, Methods.Close):
            self._is_ending = True
            self._give_back()
            self._say(0, Methods.CloseOk())
            self._close()
            return
        answer = self._handshake.take(method)
        if isinstance(method, Methods.TuneOk):
            self._cutter.largest = self._handshake.frame_max
        if self._handshake.is_over:
            self._come_in()
        if answer is not None:
            self._say(0, answer)

    def _come_in(self) -> None:
        self.service = self._handshake.service
        self.hears_cancels = self._handshake.hears_cancels
        if self._timer is not None:
            self._timer.cancel()
        if self._handshake.heartbeat:
            self._beat_later()

    def _take_for(self, number: int, kind: int, payload: bytes) -> None:
        if not self._handshake.is_over:
            raise Fault(Code.COMMAND_INVALID, "a channel was used before the virtual host was open")
        channel = self._channels.get(number)
        if channel is None:
            self._open(number, kind, payload)
            return
        name = METHOD_ID.unpack_from(payload)[0] if kind == METHOD and len(payload) >= 4 else 0
        if name == Channel.Close.index:
            self._forget(number)
            self._say(number, Channel.CloseOk())
        elif channel.is_closing:
            if name == Channel.CloseOk.index:
                self._forget(number)
        else:
            try:
                channel.take(kind, payload)
            except Refusal as refusal:
                if refusal.code >= Code.NOT_ALLOWED:
                    raise Fault(Code(refusal.code), refusal.text.partition(" - ")[2]) from refusal
                channel.refuse(refusal, payload if kind == METHOD else b"")

    def _open(self, number: int, kind: int, payload: bytes) -> None:
        if kind != METHOD or not isinstance(read_method(payload), Channel.Open):
            raise Fault(Code.CHANNEL_ERROR, f"expected 'channel.open' on channel {number}")
        if number > self._handshake.channel_max:
            raise Fault(Code.NOT_ALLOWED, f"channel {number} is over {self._handshake.channel_max}")
        self._channels[number] = WireChannel(number, self, self._shared.memory, self._shared.owners)
        self._say(number, Channel.OpenOk())

    def _forget(self, number: int) -> None:
        self._channels.pop(number).broker_side.close()

    # -------------------------------------------------------------------------- time and end

    def _beat_later(self) -> None:
        self._timer = self._loop.call_later(self._handshake.heartbeat / 2, self._beat)

    def _beat(self) -> None:
        """Silence is counted in beats, so a loop that stood still does not take it for silence."""
        self._silence += not self._is_full
        if self._silence > _SILENT_HALVES:
            log.warning("a client is silent; its connection is cut", service=self.service)
            self.abort()
            return
        self.write((A_HEARTBEAT,))
        self._beat_later()

    def end(self, fault: Fault, payload: bytes = b"") -> None:
        """Says why, gives back what is held, and waits a moment for the answer."""
        if self._is_ending:
            return
        self._is_ending = True
        self._give_back()
        method = METHOD_ID.unpack_from(payload)[0] if len(payload) >= METHOD_ID.size else 0
        self._say(0, Methods.Close(fault.code, reply_text(fault.text), *divmod(method, 1 << 16)))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(_GOODBYE_TIMEOUT, self.abort)

    def _listen_for_the_end(self, kind: int, number: int, payload: bytes) -> None:
        ok = METHOD_ID.pack(Methods.CloseOk.index)
        if kind == METHOD and number == 0 and payload.startswith(ok):
            self._close()

    def _close(self) -> None:
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _give_back(self) -> None:
        """All at once: none of its consumers is handed what another gives back."""
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.broker_side.pause()
        for channel in channels.values():
            channel.broker_side.close()
        delete_exclusive(self._shared.memory, self._shared.owners, self)

    def _say(self, number: int, method: Frame) -> None:
        self.write((framed(METHOD, number, said(method)),))
