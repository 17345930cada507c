"""What must exist on the broker, computed from declarations without a connection.

In reading order: `naming` (every name, built in one place), `declarations` (exchanges, queues,
bindings), `plan` (a service's declarations to one `Topology`), `permission` (what its user must be
allowed), `drift` (what a broker holds otherwise), `live` (all that a broker holds).
"""
