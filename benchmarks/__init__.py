"""The toolkit beside its peers, and what it costs: `make bench`.

In reading order:

- ``message``: what is published and handled.
- ``task``: what a contestant's process is told, and what it answers.
- ``case``: what is measured.
- ``contestants``: one program for each contestant.
- ``measure``: what those in Python measure with.
- ``contestant``: who there is, and a process for each run.
- ``stage``: queues, emptied and filled.
- ``bench``: one run, all of it.
- ``figure``: medians, spreads and ratios.
- ``report``: the page and the picture.
- ``memory``: a million messages, and what the process holds on the way.
"""
