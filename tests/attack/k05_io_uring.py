# SPDX-License-Identifier: Apache-2.0
"""K5: io_uring, whose rings would go round the filter, is refused."""

from support.guest import DENIED


def test_k05_io_uring(attack):
    told = attack.evidence(
        """
params = ctypes.create_string_buffer(120)
tell(dict(
    setup=sc("io_uring_setup", 8, params),
    setup_null=sc("io_uring_setup", 8, 0),          # EFAULT without the filter
    enter=sc("io_uring_enter", -1, 1, 0, 0, 0, 0),  # EBADF
    register=sc("io_uring_register", -1, 0, 0, 0),  # EBADF or EINVAL
))
"""
    )
    assert set(told.values()) <= DENIED, told
