"""What must exist on the broker, computed from declarations without a connection.

In reading order: `naming` (every name, built in one place), `declarations` (exchanges, queues,
bindings), `plan` (a service's declarations to one `Topology`), `drift` (what a broker holds
otherwise).
"""
