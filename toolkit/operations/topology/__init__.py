"""Topology that can change: what is declared against what a broker holds, and the way from one to
the other.

In reading order: `declared` (what services declare together), `broker` (both doors of a broker),
`live` (what it holds), `difference` (each difference, explained), `application` (what is missing,
made), `pruning` (what nobody declares any more), `migration` (a queue with other arguments),
`definition` (for who deploys topology apart from code), `graph` (drawn, with counts).

How a queue is migrated, and why so
-----------------------------------
A queue's name is fixed by convention, its arguments are fixed when it is made, and those who
consume it know it by its name. So a queue `Q` can only be replaced under its own name, and for a
moment nothing of that name is there. What comes meanwhile is kept in `Q.migrating`:

1. Make the queue `Q.migrating` with the new arguments, and a fanout exchange of that name, over
   which messages are copied. Where nobody consumes `Q`, copy what lies in it, oldest first.
2. For each binding of `Q`: bind `Q.migrating`, then unbind `Q`, in one breath. New messages are
   kept from now on; the exchange that brings retries back is bound like any other.
3. Consumers work off what is in `Q`. After a while the rest is copied. Go on only when nothing is
   in `Q`, and nothing is held by anybody.
4. Delete `Q`, make it with the new arguments, bind it and unbind `Q.migrating`, in one breath.
   Consumers are told that their queue is gone, and by the time they hear it, it is there again.
5. Copy everything from `Q.migrating` to `Q`.
6. Delete `Q.migrating`, queue and exchange.

Each step can be done twice, and what was done shows on the broker: `Q` is there as it was, or as
declared, or not at all; `Q.migrating` is there or not; each binding is at one of them, or at both.
So no journal is kept, and a run that was killed is gone on with by the next one. Until step 4 the
way back is steps 5 and 6.

What was decided:

- *One breath in step 4*, instead of waiting for a release that declares the new arguments: the
  services that run now are the old release, because the new one refuses to start over the
  difference. They would make the queue again as it was. They find the new one there, warn of the
  difference, and consume it. Should they be faster all the same, it is noticed, and done again.
- *Consumers first in step 3*: their messages keep their order, and are handled once. A copy behind
  newer messages is the second choice.
- *Nothing held in step 3*: a queue can be deleted while consumers hold its messages (if-empty
  counts those that are ready, and quorum queues don't take it at all: RabbitMQ 3.10 to 4.0 close
  the connection over it). A consumer that then gives a message back has nowhere to give it. Only
  the management API tells what is held, with statistics that are up to ten seconds old. So nothing
  may be seen for twelve, and without the API nothing is migrated.
- *Bindings one by one*, bound before unbound: a message that comes in that moment is in both
  queues, under one id. The other way round it would be in none.
- *Queues that are fed by their names* (dead letters, suspects) can't be unbound from that. What
  comes at the very moment of a queue's deletion is confirmed and lost, whatever one does. So they
  are migrated only while those who feed them don't consume.
- *Not decided for*: a second name that alternates (every other tool, permission and dashboard would
  have to follow), consumers that move to the new queue (each release would have to know how), a
  policy in place of arguments (an argument beats it, and the type can't be set by one).
"""
