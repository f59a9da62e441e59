"""Tests of what operator, host and command line share."""
