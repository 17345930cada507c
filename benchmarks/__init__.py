"""Side by side with raw aio-pika: `python -m benchmarks` prints both and their ratio."""
