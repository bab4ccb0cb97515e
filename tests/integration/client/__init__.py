"""Tests of the client API: declare, publish, consume, get and close."""
