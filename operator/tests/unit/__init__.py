"""Decisions and parts of the engine, each by itself."""
