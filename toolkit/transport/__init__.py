"""The way to a broker: one port, and adapters that keep its promises.

`port` states the guarantees; `rabbitmq` keeps them over aio-pika.
"""
