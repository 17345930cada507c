"""One program for each contestant, set up as its documentation advises; see `benchmarks.task`.

Each is told a task on its command line and prints an answer. Queues exist before it starts, the
same for all.
"""
