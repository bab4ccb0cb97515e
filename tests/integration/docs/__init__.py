"""Tests that run what the pages show."""
