"""Tests that compare programs on both brokers."""
