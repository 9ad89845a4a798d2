# SPDX-License-Identifier: Apache-2.0
# What is done through a ring passes no filter.
fails("io_uring_setup", sc("io_uring_setup", 8, ctypes.create_string_buffer(120)), DENIED)
fails("io_uring_setup without parameters", sc("io_uring_setup", 8, 0), DENIED)
fails("io_uring_enter", sc("io_uring_enter", -1, 1, 0, 0, 0, 0), DENIED)
fails("io_uring_register", sc("io_uring_register", -1, 0, 0, 0), DENIED)
end()
