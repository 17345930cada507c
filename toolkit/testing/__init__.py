"""What tests and trials need around a service. Importing this package costs nothing.

In reading order:

- ``broker``: finds a RabbitMQ to run against, and starts a private one where there is none.
"""
