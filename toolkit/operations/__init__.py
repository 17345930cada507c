"""What people do to services and their broker from outside, without the commands around it.

In reading order: `address` (which broker), `catalogue` (which messages a project has). Describing:
`description` (all that decides a service's behaviour, as values), `picture` (what is drawn of it),
`mermaid` and `svg` (how), `schema` (contracts for other repositories). Publishing and tapping:
`record` (a message as a line of JSON), `draft` (what is to be sent, proven before the first goes
out), `pace` (so many a second), `publish` (sending it), `sieve` (which ones are wanted), `tap`
(watching them go by). `doctor` and `dead_letters` are rooms of their own.
"""
