"""The notifications service, in reading order.

contracts  its own copies of the events it listens to, and the one it owns
settings   what the environment may change
letter     what the customer reads: an event poured into a template
mailer     carries a letter to the SMTP server
database   the table behind the ledger, and how it is opened
ledger     which letters are being sent, and which have been
notifier   sends each letter once: claim, send, write down
producer   what it announces
consumers  one for each event that customers hear about
service    puts it all together; what `toolkit run` starts
"""
