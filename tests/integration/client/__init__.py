"""Tests of a service's own calls: declare, publish, consume, get, and close."""
