"""Two sample services that talk to each other through events alone.

orders         takes orders over HTTP and announces them
notifications  writes to the customer and says so
"""
