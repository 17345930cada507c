"""What a queue's arguments mean on each version."""

import pytest

from toolkit.topology.declarations import Version
from toolkit.transport.memory.argument import read_settings
from toolkit.transport.memory.refusal import Refusal


@pytest.mark.parametrize(
    ("version", "set_to", "means"),
    [
        ((3, 10), None, None),
        ((3, 10), -1, -1),
        ((3, 13), 5, 5),
        ((4, 0), None, 20),
        ((4, 0), -1, None),
        ((4, 3), 5, 5),
    ],
)
def test_delivery_limits(version: Version, set_to: int | None, means: int | None) -> None:
    """None before 4.0, 20 from then on, and -1 is "at once" before and "none" after."""
    arguments = {"x-queue-type": "quorum"}
    if set_to is not None:
        arguments["x-delivery-limit"] = set_to  # type: ignore[assignment]
    assert read_settings("q", arguments, version=version).delivery_limit == means


def test_quorum_queues_are_durable() -> None:
    """And never go by themselves."""
    arguments = {"x-queue-type": "quorum"}
    for property_ in ("is_durable", "is_auto_delete"):
        flags = {property_: property_ == "is_auto_delete"}
        with pytest.raises(Refusal, match="invalid property"):
            read_settings("q", arguments, version=(4, 0), **flags)


def test_from_4_3_on_no_shared_queue_is_transient() -> None:
    """541, which costs the connection."""
    read_settings("q", {}, version=(4, 0), is_durable=False)
    with pytest.raises(Refusal, match="INTERNAL_ERROR") as refused:
        read_settings("q", {}, version=(4, 3), is_durable=False)
    assert refused.value.code == 541


def test_a_very_large_length_is_no_time() -> None:
    """Only times have to fit a timer."""
    arguments = {"x-max-length-bytes": 10**12}
    assert read_settings("q", arguments, version=(4, 0)).max_bytes == 10**12
    with pytest.raises(Refusal):
        read_settings("q", {"x-message-ttl": 10**12}, version=(4, 0))
