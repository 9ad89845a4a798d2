/* SPDX-License-Identifier: Apache-2.0 */
/* plain.h -- which Python programs can do without the libraries that their interpreter has loaded.
 *
 * Each mapping and each page of an interpreter costs whoever copies it, and the libraries of exec.md 10.7.6 have ten
 * times as many as Python itself. A program that names none of them is a copy of an interpreter without them
 * (WARM_PYTHON_PLAIN). Whoever is wrong here loses time and nothing else: a library that was not foreseen is imported
 * as in any interpreter. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A power of two. */
#define PLAIN_SESSIONS 1024

/* The sessions whose state was left by programs without libraries, so far as it is remembered. All zero = none.
 * Thread-safe. */
struct plain_sessions {
    _Atomic uint64_t hashes[PLAIN_SESSIONS];
};

/* Whether a source names no library, and imports nothing but common modules of the standard library. What stands in
 * strings and comments counts like what does not. */
bool plain_source(const char *code, size_t length);

/* Whether a source names a library, in what is read of it. One that does not may still import one. */
bool plain_names_library(const char *code, size_t length);

void plain_note(struct plain_sessions *sessions, const char *session_id, bool plain);
bool plain_was(const struct plain_sessions *sessions, const char *session_id);
