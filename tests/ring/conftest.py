"""Every ring on every level of kernels that this machine can run."""

from __future__ import annotations

import pytest

from tercet.ring import Kernels, Ring, available_levels, kernels, ring


@pytest.fixture(scope="session", params=available_levels())
def native(request: pytest.FixtureRequest) -> Kernels:
    return kernels(request.param)


@pytest.fixture(scope="session", params=[64, 128])
def any_ring(request: pytest.FixtureRequest, native: Kernels) -> Ring:
    return ring(request.param, native)
