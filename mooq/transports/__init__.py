"""Transports: one interface, and one implementation for each broker."""
