"""The appliance decides and remembers. It knows drivers and its own database, and no screen."""
