"""What a service's keeper asks of it: is it alive, is it ready, has it started.

In reading order: `report` (from a service's facts to three answers), `watchdog` (whether the event
loop still turns), `app` (the answers over HTTP), `server` (on a port of their own). `app` and
`server` need the extra `health`.
"""
