"""Marks are told in few words, and no word covers what was not meant."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.transport.rabbitmq.frames import Mark, settling
from toolkit.transport.rabbitmq.settle import Marks, Word

SEEDS = st.integers(0, 2**48)


class Channel:
    """A broker's side of it: what is out, and what it takes a word to mean."""

    def __init__(self) -> None:
        self.out: list[int] = []
        self.heard: dict[int, Mark] = {}

    def hear(self, words: list[Word]) -> None:
        for mark, tag, multiple in words:
            assert tag in self.out, "an unknown tag closes the channel"
            covered = [one for one in self.out if one <= tag] if multiple else [tag]
            for one in covered:
                self.out.remove(one)
                self.heard[one] = mark


@given(SEEDS)
@settings(max_examples=500, deadline=None)
def test_each_delivery_is_settled_as_it_was_marked(seed: int) -> None:
    """In any order, rejects and returns among them, told now or later, while more come in: an ack
    never covers what is not settled, and in the end nothing is left out.
    """
    chance, marks, channel = random.Random(seed), Marks(), Channel()
    meant: dict[int, Mark] = {}
    unmarked: list[int] = []
    last, most = 0, chance.randrange(1, 80)
    acks = chance.choice((0.5, 0.9, 1.0))
    while last < most or unmarked:
        step = chance.random()
        if step < 0.5 and last < most:
            last += 1
            channel.out.append(last)
            unmarked.append(last)
        elif step < 0.9 and unmarked:
            tag = unmarked.pop(chance.choice((0, chance.randrange(len(unmarked)))))
            other = chance.choice((Mark.REJECT, Mark.GIVE_BACK))
            meant[tag] = Mark.ACK if chance.random() < acks else other
            marks.make(tag, meant[tag])
        else:
            channel.hear(marks.tell())
        assert channel.heard.items() <= meant.items()
    channel.hear(marks.tell())
    assert channel.heard == meant
    assert channel.out == []
    assert marks.tell() == []


@given(st.permutations(range(1, 30)))
def test_one_word_is_enough_for_an_unbroken_run(order: list[int]) -> None:
    """Whatever the order in which its deliveries were acked."""
    marks = Marks()
    for tag in order:
        marks.make(tag, Mark.ACK)
    assert marks.tell() == [(Mark.ACK, 29, True)]


def test_what_is_told_is_forgotten() -> None:
    """A channel lives for a million messages; what is kept is what has a gap before it."""
    marks = Marks()
    for tag in range(1, 1_001):
        marks.make(tag, Mark.REJECT if tag % 7 == 0 else Mark.ACK)
        marks.tell()
    assert [len(kept) for kept in (marks._acked, marks._told, marks._others)] == [0, 0, 0]


def test_a_gap_is_closed_later() -> None:
    """What is settled behind it is told one by one, and covered by the ack that closes it."""
    marks = Marks()
    for tag in (2, 3):
        marks.make(tag, Mark.ACK)
    assert sorted(marks.tell(), key=str) == [(Mark.ACK, 2, False), (Mark.ACK, 3, False)]
    marks.make(4, Mark.ACK)
    marks.make(1, Mark.ACK)
    assert marks.tell() == [(Mark.ACK, 4, True)]


def test_a_run_goes_on_behind_a_reject() -> None:
    """What was rejected is told first, so an ack may cover its tag."""
    marks = Marks()
    for tag in range(1, 6):
        marks.make(tag, Mark.REJECT if tag == 3 else Mark.ACK)
    assert marks.tell() == [(Mark.REJECT, 3, False), (Mark.ACK, 5, True)]


def test_the_frames_are_those_of_the_protocol() -> None:
    """Ack and nack with their bits, reject with its one; all of them back into the queue."""
    ack = settling(5, Mark.ACK, 258, multiple=True)
    assert ack == bytes.fromhex("01 0005 0000000d 003c 0050 0000000000000102 01 ce")
    reject = settling(5, Mark.REJECT, 1, multiple=False)
    assert reject == bytes.fromhex("01 0005 0000000d 003c 005a 0000000000000001 01 ce")
    nack = settling(5, Mark.GIVE_BACK, 1, multiple=False)
    assert nack == bytes.fromhex("01 0005 0000000d 003c 0078 0000000000000001 02 ce")
