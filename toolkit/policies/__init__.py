"""Pure decisions: no clock, no I/O, no randomness.

In reading order: `duration` (reading "30s"), `backoff` (sequences of delays), `outcome` (what
can become of a message), `verdict` (what a handler raises on purpose), `retry` (failure and
attempts so far to outcome), `dead_letter` (the record of a fault), `kill_switch` (when to stop a
consumer).
"""
