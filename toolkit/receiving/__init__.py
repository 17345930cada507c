"""Messages in.

In reading order: `consumer` (what users declare), `pump` (deliveries to a bounded set of
workers), `pipeline` (decode, middleware, handle, outcome), `deadline` (how long a run may take),
`work` (what this process is at, and has finished), `context` (what a handler sees), `copies` (the
copies that carry a message on), `settlement` (outcome to ack), `quarantine` (messages that kill
their process), `switch` (a consumer whose runs nearly all fail), `intake` (all that is one
consumer's, together).
"""
