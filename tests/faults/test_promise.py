"""Hard cases, one at a time.

A message that kills its process, among innocents, is in tests/hostile/test_poison.py.
"""

from pathlib import Path

import pytest

from tests.faults.ground import Ground
from tests.faults.promise import (
    AT_ONCE,
    IMPATIENT,
    IN_FLIGHT,
    PATIENT,
    WAITING,
    a_thousand_in_flight,
    an_outage,
    ending_with_full_hands,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATE = 1.0  # seconds by which a busy machine may be late


async def test_a_process_that_is_asked_to_end_finishes_what_runs(
    ground: Ground, tmp_path: Path
) -> None:
    """200 handlers finish and none of their messages comes again; 5,000 are at once another's."""
    ending = await ending_with_full_hands(ground, tmp_path)
    assert ending.running == ending.finished == AT_ONCE
    assert ending.again == 0
    assert ending.by_the_other == WAITING
    assert ending.exit_code == 0
    assert ending.free_after < LATE


@pytest.mark.parametrize("timeout", [PATIENT, IMPATIENT])
async def test_a_thousand_publishes_in_flight_end_one_way_or_another(
    ground: Ground, tmp_path: Path, timeout: float
) -> None:
    """The broker is killed; each is confirmed, refused or unknown, and no confirmed one is lost."""
    flight = await a_thousand_in_flight(ground, tmp_path, timeout=timeout)
    assert flight.outstanding >= IN_FLIGHT
    assert flight.confirmed + flight.refused + flight.unknown == flight.outstanding
    assert flight.lost == 0


@pytest.mark.parametrize("timeout", [PATIENT, IMPATIENT])
async def test_a_publish_in_an_outage_ends_by_its_timeout(
    ground: Ground, tmp_path: Path, timeout: float
) -> None:
    """20 seconds without a broker: the patient are confirmed, the others told in time."""
    outage = await an_outage(ground, tmp_path, timeout=timeout)
    assert outage.confirmed + outage.unknown == outage.begun
    assert outage.longest < timeout + LATE
    assert (outage.unknown == 0) == (timeout == PATIENT)
