"""The parts of the engine, one at a time; the whole of it is simulated in `operator/tests/simulation`."""
