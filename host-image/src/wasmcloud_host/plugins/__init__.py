"""Interfaces that this host serves in Python, a package an interface family."""
