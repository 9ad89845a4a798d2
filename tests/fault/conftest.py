# SPDX-License-Identifier: Apache-2.0
"""The fixture of the fault tests."""

import pytest

from support.answered import Answered


@pytest.fixture
def loaded(server_with):
    """A server and three loads on it."""
    server = server_with(MAX_FILE_SIZE_MB="100")
    loads = [Answered(server, number) for number in range(3)]
    yield server, loads
    for load in loads:
        load.stop_event.set()
