"""The demonstration: two services, a broker and a mail server, and three orders' stories.

In reading order:

- ``__main__``: `python -m demo`: raises the curtain, and exits 0 only if all came true.
- ``story``: the three chapters.
- ``broker``: the one that was asked for, or the first that is to be had.
- ``stage``: brings up what the story needs, and takes all of it down again.
- ``processes``: both services, each a process of its own.
- ``program``: one such process.
- ``embedded``: both services in this process, over a broker in memory.
- ``log``: what a service has said of itself.
- ``shop``: the customer's side of the orders service, over HTTP.
- ``mail_server``: a real SMTP server that refuses what it is told to.
- ``dead_letters``: looks at a dead letter without disturbing it.
- ``narrator``: says what happens, and keeps the list of claims.
"""
