"""Tests of the `wasmcloud` command."""
