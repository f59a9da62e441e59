"""Decisions: tables and properties."""
