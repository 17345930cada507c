"""Whatever dies, every confirmed message is handled, or lies among the dead letters."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.audit import Verdict, audit
from tests.faults.fault import HEARTBEAT, LEADER_KILLED, ON_ONE_NODE, Fault
from tests.faults.ground import Ground
from tests.faults.siege import Siege, lay_siege

pytestmark = pytest.mark.asyncio(loop_scope="module")

RATE = 300.0  # messages a second
BACK_WITHIN = 2.0  # seconds after the broker takes connections
LED_AGAIN_WITHIN = 5.0  # seconds after a leader's death


async def besieged(
    ground: Ground, faults: Sequence[Fault], directory: Path
) -> tuple[Siege, Verdict]:
    siege = await lay_siege(ground, faults, directory, seed=1, rate=RATE, say=print)
    return siege, audit(siege)


async def test_nothing_is_lost_on_one_node(ground: Ground, tmp_path: Path) -> None:
    """Each fault once, under load: nothing lost, each duplicate explained, messages flow again in
    time, a silent link is noticed, and whoever was asked to end has ended well.
    """
    siege, verdict = await besieged(ground, ON_ONE_NODE, tmp_path)
    assert verdict.lost == []
    assert verdict.unexplained == []
    assert all(blow.flowing and blow.flowing - blow.whole < BACK_WITHIN for blow in siege.blows)
    assert all(seconds <= 2 * HEARTBEAT for seconds in siege.noticed)
    assert {code for _, code, _ in siege.exits} == {0}
    assert {code for _, code in siege.last_exits} == {0}
    assert siege.channels[0] == siege.channels[1]


async def test_nothing_is_lost_when_the_leader_dies(cluster: Ground, tmp_path: Path) -> None:
    """Four times the node that leads the queue is killed; another one leads it soon."""
    siege, verdict = await besieged(cluster, [LEADER_KILLED] * 4, tmp_path)
    assert verdict.lost == []
    assert verdict.unexplained == []
    assert all(
        blow.flowing and blow.flowing - blow.began < LED_AGAIN_WITHIN for blow in siege.blows
    )
