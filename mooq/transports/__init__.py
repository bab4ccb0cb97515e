"""Transports: one port, and one implementation for each broker behind it."""
