"""A program that knows nothing of the toolkit: pika, and the names on the wire.

`python plain_client.py URL order ADDRESS` announces an order as the orders service would, and
prints the news that its customer was notified. `python plain_client.py URL listen` prints the next
order that the orders service announces.
"""

import json
import sys
from uuid import uuid4

import pika


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = connection.channel()
channel.confirm_delivery()
queue = channel.queue_declare("", exclusive=True).method.queue

if sys.argv[2] == "order":
    channel.queue_bind(queue, "events", "customers.notified")
    order = {
        "order_id": str(uuid4()),
        "customer_email": sys.argv[3],
        "lines": [{"product": "Teapot", "quantity": 1}],
        "total": "32.00",
        "currency": "EUR",
    }
    channel.basic_publish(
        exchange="events",
        routing_key="orders.placed",
        body=json.dumps(order).encode(),
        properties=pika.BasicProperties(
            type="orders.placed",
            content_type="application/json",
            message_id=str(uuid4()),
            delivery_mode=2,
        ),
        mandatory=True,
    )
else:
    channel.queue_bind(queue, "events", "orders.placed")
    say("listening")

for method, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=20):
    if method is None:
        sys.exit("nothing was said within 20 s")
    say(json.dumps({"type": properties.type, "body": json.loads(body)}))
    break
connection.close()
