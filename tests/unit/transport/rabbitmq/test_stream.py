"""However the bytes are cut, whatever is wrong with them: the right messages, or a clear end."""

import asyncio
import os
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transport.rabbitmq.amqp import (
    Socket,
    closed,
    confirm,
    connected,
    deliver,
    frame,
    header,
    returned,
    with_id,
)
from toolkit.transport.rabbitmq.confirm import ConfirmLane
from toolkit.transport.rabbitmq.deliver import DeliverLane
from toolkit.transport.rabbitmq.stream import Stream

# Three properties with so many examples each; `make fuzz` takes 34,000.
EXAMPLES = int(os.environ.get("TOOLKIT_EXAMPLES", "300"))
HEARTBEAT = frame(8, 0, b"")
LANES, FOREIGN = (1, 2, 3), (7, 9)

Message = tuple[int, int, bytes, bytes, bytes]


@dataclass
class Story:
    """What a broker sends: whole frames in order, and what of it is for whom."""

    frames: list[bytes] = field(default_factory=list)
    messages: dict[int, list[Message]] = field(default_factory=lambda: {n: [] for n in LANES})
    passed: list[bytes] = field(default_factory=list)


@dataclass
class Ear:
    """One end of a connection, with a lane on each of the channels that have one."""

    stream: Stream
    socket: Socket
    heard: dict[int, list[Message]]

    @classmethod
    def listening(cls) -> "Ear":
        stream, socket = connected()
        ear = cls(stream, socket, {number: [] for number in LANES})
        for number in LANES:
            stream.claim(number, ear.lane(number))
        return ear

    def lane(self, number: int) -> DeliverLane:
        heard = self.heard[number]
        return DeliverLane(number, lambda *message: heard.append(message), lambda: None)

    def hear(self, data: bytes, cuts: Sequence[int] = ()) -> None:
        edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
        for start, end in pairwise(edges):
            self.stream.data_received(data[start:end])

    async def passed(self) -> bytes:
        """What the library gets to read, without the signs of life."""
        self.stream.reader.feed_eof()
        return (await self.stream.reader.read()).removeprefix(HEARTBEAT)


def story_of(seed: int) -> Story:
    """Deliveries on several channels whose frames are interleaved, others in between."""
    chance, story = random.Random(seed), Story()
    queues: list[list[bytes]] = []
    for channel in LANES:
        queue: list[bytes] = []
        for tag in range(1, chance.randrange(5)):
            body = chance.randbytes(chance.choice((0, 1, 40, 300)))
            properties = b"\0\0" + chance.randbytes(chance.randrange(30))
            key, again = chance.randbytes(chance.randrange(20)), chance.random() < 0.3
            queue += [deliver(channel, tag, again=again, key=key)]
            queue += [header(channel, len(body), properties), *bodies(channel, body, chance)]
            where = b"\x01x" + bytes((len(key),)) + key
            story.messages[channel].append((tag, int(again), where, properties, body))
        queues.append(queue)
    for channel in FOREIGN:
        alien = [frame(1, channel, chance.randbytes(4 + chance.randrange(30))) for _ in range(3)]
        queues.append(alien)
    while any(queues):
        queue = chance.choice([queue for queue in queues if queue])
        sent = queue.pop(0)
        story.frames.append(sent)
        if struct.unpack_from(">H", sent, 1)[0] in FOREIGN:
            story.passed.append(sent)
    return story


def bodies(channel: int, body: bytes, chance: random.Random) -> list[bytes]:
    """One frame or several."""
    pieces = []
    while body:
        size = len(body) if chance.random() < 0.6 else 1 + chance.randrange(len(body))
        pieces.append(frame(3, channel, body[:size]))
        body = body[size:]
    return pieces


CUTS = st.lists(st.integers(0, 10_000), max_size=30)
SEEDS = st.integers(0, 2**48)


@given(SEEDS, CUTS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_every_message_arrives_once_and_whole(seed: int, cuts: list[int]) -> None:
    """However channels are interleaved, bodies divided and chunks cut."""

    async def play() -> None:
        story, ear = story_of(seed), Ear.listening()
        ear.hear(b"".join(story.frames), cuts)
        assert ear.heard == story.messages
        assert await ear.passed() == b"".join(story.passed)
        assert not ear.socket.is_aborted

    asyncio.run(play())


@given(SEEDS, CUTS, st.integers(0, 10_000))
@settings(max_examples=EXAMPLES, deadline=None)
def test_what_is_cut_off_is_no_message(seed: int, cuts: list[int], end: int) -> None:
    """Of a stream that ends anywhere, what came whole arrives, and nothing else."""

    async def play() -> None:
        story, ear = story_of(seed), Ear.listening()
        data = b"".join(story.frames)
        ear.hear(data[: end % (len(data) + 1)], cuts)
        ear.stream.connection_lost(None)
        for channel in LANES:
            heard = ear.heard[channel]
            assert heard == story.messages[channel][: len(heard)]

    asyncio.run(play())


@given(SEEDS, CUTS, st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_damaged_byte_never_swallows_what_came_before(
    seed: int, cuts: list[int], at: int, change: int
) -> None:
    """Nothing is raised at the loop; all frames before the damage have been handed on; once the
    damage is seen the connection is given up, with a reason, and nothing further is heard.
    """

    async def play() -> None:
        story, ear = story_of(seed), Ear.listening()
        data = bytearray(b"".join(story.frames))
        if not data:
            return
        at_ = at % len(data)
        data[at_] ^= change
        unhurt = Ear.listening()
        unhurt.hear(whole_frames(story.frames, at_))
        ear.hear(bytes(data), cuts)
        for channel in LANES:
            before = unhurt.heard[channel]
            assert ear.heard[channel][: len(before)] == before
        assert ear.socket.is_aborted == bool(ear.stream.farewell)
        heard = {channel: list(heard) for channel, heard in ear.heard.items()}
        if ear.socket.is_aborted:
            ear.hear(deliver(1, 99) + header(1, 0))
            assert ear.heard == heard

    asyncio.run(play())


def whole_frames(frames: Sequence[bytes], until: int) -> bytes:
    """The frames that end before that byte."""
    data = b""
    for one in frames:
        if len(data) + len(one) > until:
            break
        data += one
    return data


START = deliver(1, 1)
MALFORMED = {
    "an unknown type": (frame(5, 1, b""), "a frame of type 5"),
    "no end": (deliver(1, 1)[:-1] + b"\x00", "doesn't end after"),
    "another protocol": (b"AMQP\x00\x01\x00\x00", "doesn't speak AMQP 0-9-1"),
    "a web server": (b"HTTP/1.1 400 Bad Request\r\n", "a frame of type 72"),
    "an endless frame": (struct.pack(">BHI", 3, 1, 2**31) + b"0123456789", "bytes, where"),
    "half a delivery": (frame(1, 1, START[7:-8]), "cut off"),
    "a delivery that is too long": (frame(1, 1, START[7:-1] + b"x"), "don't fill its frame"),
    "a delivery in a delivery": (START + START, "before the last one was complete"),
    "a header without a method": (header(1, 3), "content header out of place"),
    "two headers": (START + header(1, 3) + header(1, 3), "content header out of place"),
    "half a header": (START + frame(2, 1, b"\0<"), "content header out of place"),
    "a header of another class": (
        START + frame(2, 1, struct.pack(">HHQ", 50, 0, 0) + b"\0\0"),
        "class 50",
    ),
    "a body without a header": (START + frame(3, 1, b"x"), "body out of place"),
    "a body that is too long": (START + header(1, 2) + frame(3, 1, b"abc"), "longer than"),
    "a heartbeat on a channel": (frame(8, 1, b""), "type 8"),
    "half a goodbye": (frame(1, 0, struct.pack(">HHHB", 10, 50, 320, 9) + b"x"), "short string"),
}


@pytest.mark.parametrize(("data", "reason"), MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("size", [1, 5, 10_000])
async def test_a_malformed_frame_ends_the_connection_and_is_named(
    data: bytes, reason: str, size: int
) -> None:
    """At once, whatever the chunks; the messages before it have arrived."""
    ear = Ear.listening()
    good = deliver(2, 1) + header(2, 2) + frame(3, 2, b"ok")
    data = good + data
    for start in range(0, len(data), size):
        ear.stream.data_received(data[start : start + size])
    assert ear.socket.is_aborted
    assert reason in str(ear.stream.farewell)
    assert [message[-1] for message in ear.heard[2]] == [b"ok"]
    assert ear.heard[1] == []


PUBLISHED = 3
UNCONFIRMABLE = {
    "never made": confirm(4, PUBLISHED + 1),
    "never made, with all before": confirm(4, PUBLISHED + 1, multiple=True),
    "confirmed before": confirm(4, 2) + confirm(4, 2),
    "too short": frame(1, 4, struct.pack(">HHQ", 60, 80, 1)),
    "returned, but unknown": returned(4) + header(4, 0, with_id(b"nobody's")),
    "returned, but unreadable": returned(4) + header(4, 0, b"\x20\x00\xff"),
    "returned without a header": returned(4) + confirm(4, 1),
    "returned with too long a body": returned(4) + header(4, 1, with_id(b"1")) + frame(3, 4, b"ab"),
    "a header of nothing": header(4, 0),
}


@pytest.mark.parametrize("data", UNCONFIRMABLE.values(), ids=UNCONFIRMABLE)
async def test_a_confirm_that_makes_no_sense_ends_the_connection(data: bytes) -> None:
    """Believing it would confirm a message that may be lost."""
    stream, socket = connected()
    lane = ConfirmLane(4, stream)
    stream.claim(4, lane)
    fates = [lane.publish(str(n), [b"frames"], 6) for n in range(PUBLISHED)]
    stream.data_received(data)
    assert socket.is_aborted
    assert stream.farewell
    stream.connection_lost(None)
    for fate in fates:
        assert fate.done()
        fate.exception()


async def test_a_closed_channel_takes_its_lane_along() -> None:
    """The lane hears why; what the library needs to know reaches it."""
    stream, _ = connected()
    reasons: list[str | None] = []

    class Listener(DeliverLane):
        def lose(self, reason: str | None) -> None:
            reasons.append(reason)

    stream.claim(1, Listener(1, lambda *_: None, lambda: None))
    goodbye = closed(1, b"NOT_FOUND - no exchange 'x' in vhost '/'")
    stream.data_received(goodbye)
    assert reasons == ["NOT_FOUND - no exchange 'x' in vhost '/'"]
    stream.reader.feed_eof()
    assert await stream.reader.read() == goodbye


async def test_a_channel_that_we_closed_has_no_lane_any_more() -> None:
    """Another one may get its number."""
    stream, _ = connected()
    lane = ConfirmLane(1, stream)
    stream.claim(1, lane)
    stream.data_received(frame(1, 1, struct.pack(">HH", 20, 41)))
    assert not lane.is_open


async def test_who_waits_for_room_looks_again() -> None:
    """The first to be woken may have filled it."""
    stream, _ = connected()
    stream.pause_writing()
    through: list[int] = []

    async def write(number: int) -> None:
        await stream.room()
        through.append(number)
        stream.pause_writing()

    writers = [asyncio.create_task(write(number)) for number in range(2)]
    await asyncio.sleep(0)
    for expected in ([0], [0, 1]):
        stream.resume_writing()
        for _ in range(3):
            await asyncio.sleep(0)
        assert through == expected
    await asyncio.gather(*writers)


async def test_a_late_lane_hears_that_the_connection_is_gone() -> None:
    """Claimed between the end of the connection and the notice of it."""
    stream, _ = connected()
    stream.connection_lost(None)
    lane = ConfirmLane(1, stream)
    stream.claim(1, lane)
    assert not lane.is_open


async def test_the_library_hears_of_a_busy_connection() -> None:
    """It takes one for dead on which it sees no frame; lanes leave it none."""
    ear = Ear.listening()
    ear.hear(deliver(1, 1) + header(1, 0))
    ear.stream.reader.feed_eof()
    assert await ear.stream.reader.read() == HEARTBEAT


async def test_blocking_is_told_at_once() -> None:
    """A publisher must not fill the network's buffers while the broker doesn't read."""
    stream, _ = connected()
    told: list[bool] = []
    stream.on_blocked = lambda: told.append(stream.is_blocked)
    stream.data_received(frame(1, 0, struct.pack(">HH", 10, 60) + b"\x03low"))
    stream.data_received(frame(1, 0, struct.pack(">HH", 10, 61)))
    assert told == [True, False]


async def test_a_huge_message_is_not_copied_for_every_chunk() -> None:
    """Chunks are kept until a frame is whole: joining each time would be quadratic."""
    looked: list[int] = []

    class Counting(Stream):
        def _split(self, data: bytes) -> int:
            looked.append(len(data))
            return super()._split(data)

    ear = Ear.listening()
    stream = Counting(lambda _, payload: payload, asyncio.get_running_loop())
    stream.connection_made(ear.socket)
    stream.claim(1, ear.lane(1))
    ear.stream = stream
    stream.largest = 0  # no limit was agreed
    body = b"x" * 3_000_000
    data = deliver(1, 1) + header(1, len(body)) + frame(3, 1, body)
    ear.hear(data, range(0, len(data), 1_000))
    assert ear.heard[1][0][-1] == body
    assert sum(looked) < 2 * len(data)
