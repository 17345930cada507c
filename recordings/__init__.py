"""Pictures of the command line for the documentation, taken of the real thing: `make recordings`.

`terminal` types commands and reads what they show, `picture` draws that, `__main__` is what is
typed: the first minute with the toolkit, on a clock.
"""
