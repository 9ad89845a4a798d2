# SPDX-License-Identifier: Apache-2.0
"""Every wall that walls.py can take away, by area; row.py says what a row is."""

from walls_rows import (
    builds,
    copies,
    file_system,
    identity,
    inheritance,
    limits,
    network,
    results,
    server,
    system_calls,
)

AREAS = (system_calls, identity, file_system, copies, inheritance, limits, results, server, network, builds)
WALLS = [row for area in AREAS for row in area.ROWS]
