"""Dead letters, from the first look to their end, without the commands around it.

In reading order: `fault` (why a message died), `foreign` (as others write it down), `letter` (a
message and its fault), `group` (what belongs together), `expression` and `selection` (which are
meant); `queue`, `look` and `place` (where they are, and holding them); `copy` (what they become),
`journal` (what was sent, on disk), `move` (sent, confirmed, written down, acked) and `act` (all of
that, and the audit log); `edit` (another body), `line` (as a file).
"""
