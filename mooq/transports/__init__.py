"""How a channel reaches a broker: one port, and one file for each broker behind it."""
