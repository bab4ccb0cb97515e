"""Tests of the pytest plugin: its fixtures, and separate runs of pytest."""
