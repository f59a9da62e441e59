"""How many seeds are simulated, and which."""

from __future__ import annotations

import pytest

DEFAULT_SEED_COUNT = 200


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("simulation")
    group.addoption("--seeds", type=int, default=DEFAULT_SEED_COUNT, help="how many seeds to simulate, from 0")
    group.addoption("--seed", type=int, default=None, help="the one seed to simulate, as a failure names it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" not in metafunc.fixturenames:
        return
    one = metafunc.config.getoption("seed", default=None)
    count = metafunc.config.getoption("seeds", default=DEFAULT_SEED_COUNT)
    metafunc.parametrize("seed", [one] if one is not None else range(count))
