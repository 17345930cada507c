"""The tests: `unit/` without a broker; `conformance/`, `hostile/` and `samples/` on a real one."""
