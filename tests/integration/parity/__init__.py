"""Programs on both brokers."""
