"""Nouns: what travels, without any I/O.

In reading order: `contract` (what a message means), `envelope` (what travels around it),
`headers` (every header on the wire), `outgoing` (on its
way out), `codec` (bytes to message and back).
"""
