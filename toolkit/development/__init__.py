"""All services of a project in one terminal, restarted when their code changes.

`broker` finds or starts one, and writes down where it is; `change` knows whose code a file is;
`process` is one service as a process, `console` where their lines go; `session` is all of it.
"""
