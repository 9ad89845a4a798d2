# SPDX-License-Identifier: Apache-2.0
"""What a compiler made and is kept."""

from walls_rows.row import INIT, wall

ROWS = [
    wall(
        "builds: copied after the program ran",
        "f14::test_f14_a_program_cannot_rewrite_its_build",
        (INIT, "last + 2 == program->n_steps", "last + 1 == program->n_steps"),
    ),
    wall(
        "builds: links are followed",
        "unit:keep",
        ("cell/keep.c", "O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY", "O_RDONLY | O_NONBLOCK | O_NOCTTY"),
    ),
    wall(
        "builds: of any size",
        "unit:keep",
        ("cell/keep.c", "|| st.st_size > (off_t)(BUILT_BYTES_MAX - collection->bytes)", ""),
        ("cell/keep.c", "if (r == 0 && collection->bytes + (size_t)st.st_size > BUILT_BYTES_MAX)", "if (0)"),
    ),
    wall(
        "builds: a path that leaves its directory",
        "unit:built",
        ("wire/built.c", "(length == 2 && memcmp(segment, \"..\", 2) == 0)", "length == SIZE_MAX"),
    ),
    wall(
        "builds: memory that is not sealed",
        "unit:build_cache",
        ("engine/build_cache.c", "!fd_is_sealed(fd) || ", ""),
    ),
    wall(
        "builds: no checksum",
        "unit:build_cache f14::test_f14_a_changed_entry_is_not_run f14::test_f14_an_entry_is_not_run_in_anothers_place",
        ("engine/build_cache.c", "memcmp(stored, actual, sizeof(stored)) == 0 && ", ""),
    ),
    wall(
        "builds: shared between keys",
        "unit:build_key test_build_cache::test_another_key_compiles_itself",
        ("engine/build_key.c", "    add_text(&digest, request->queue);\n", ""),
    ),
    wall(
        "builds: inputs that the compiler sees are forgotten",
        "unit:build_key test_build_cache::test_a_changed_include_changes_the_result",
        ("engine/build_key.c", "        add_text(digest, input->mounted ? input->record.sha256 : \"\");\n", ""),
    ),
]
