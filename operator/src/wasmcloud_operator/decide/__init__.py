"""Decisions: data in, data out. No I/O, no clock, no chance of their own."""
