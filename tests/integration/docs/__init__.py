"""Tests of the code, commands and output in the documentation."""
