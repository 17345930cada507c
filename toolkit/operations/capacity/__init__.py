"""How many consumers are needed, and how long a peak lasts: arithmetic, without a broker but for
`measurement`.

In reading order: `quantity` (rates and times as people write them), `erlang` (the formula for
handlers that share one queue), `station` (waits, for arrivals and handling that vary otherwise),
`target` (a latency that is to be held, and who holds it), `peak` (a backlog over time),
`measurement` (a load as it is on a queue), `answer` (all that was asked, together), `plot` (a
backlog as text), `picture` (as PNG).
"""

from toolkit.operations.capacity.peak import Peak, Wave, wave_of
from toolkit.operations.capacity.station import Load, Station
from toolkit.operations.capacity.target import Target, consumers_for

__all__ = ["Load", "Peak", "Station", "Target", "Wave", "consumers_for", "wave_of"]
