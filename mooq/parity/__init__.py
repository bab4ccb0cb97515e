"""Parity: programs, what two brokers make of them, and whether that is the same."""
