"""Tests of recovery: lost connections, restarts and several nodes."""
