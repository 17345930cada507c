"""The orders service, in reading order.

contracts     the events it owns, and its copy of the one it listens to
settings      what the environment may change
database      the tables, and how they are opened
store         every question put to the database
producer      what it announces
announcement  a milestone as the event that announces it
relay         announces whatever the database holds as not yet announced
consumers     marks an order's milestone as notified
service       puts the store, the relay and the messaging together
view          an order as HTTP carries it, in and out
api           the HTTP side; its lifespan is the service
"""
