"""What people do to services and their broker from outside, without the commands around it.

In reading order: `address` (which broker), `management` (reading its HTTP API), `catalogue` (which
messages a project has), `audit` (who changed what). Describing: `description` (all that decides a
service's behaviour, as values), `picture` (what is drawn of it), `mermaid` and `svg` on `paper`
(how), `schema` (contracts for other repositories). Publishing and tapping: `record` (a message as a
line of JSON), `draft` (what is to be sent, proven before the first goes out), `pace` (so many a
second), `publish` (sending it), `sieve` (which ones are wanted), `watch` (seeing them go by);
`file` says what is wrong with one that somebody named. Rooms of their own: `doctor`,
`dead_letters`, `topology`, `rates`, `capacity`.
"""
