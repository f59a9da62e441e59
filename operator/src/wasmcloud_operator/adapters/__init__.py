"""One file per outside library; each implements a port of the engine."""
