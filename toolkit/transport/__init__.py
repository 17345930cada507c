"""The way to a broker: one port, and adapters that keep its promises.

`port` states the guarantees, `clock` says what time it is, `condition` how connections and
consumers stand; `rabbitmq` keeps the promises over aio-pika, `memory` in one process.
"""
