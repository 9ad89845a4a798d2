/* SPDX-License-Identifier: Apache-2.0 */
/* warm_kind.h -- what may wait in an armed cell to become one of a program's steps, mostly the last.
 *
 * The copy of a zygote is made by a zygote, in a moment. Any other is a runtime that the cell's init starts ahead
 * (cell/runtime.h): an interpreter that cannot be copied has its start behind it when its program comes. */
#pragma once

#include <stdbool.h>

enum warm_kind {
    WARM_NONE,
    WARM_PYTHON,       /* the copy of a zygote */
    WARM_PYTHON_PLAIN, /* of one that has loaded no libraries, for programs that name none */
    WARM_PHP,          /* another */
    WARM_NODE,
    WARM_TYPESCRIPT, /* Node with what a transpiled program needs */
    WARM_TRANSPILER, /* the same beside a transpiler, for a program that has not been transpiled before */
    WARM_R,
    WARM_JAVAC, /* the compiler, for a program that has not been compiled before */
    WARM_BASH,  /* nobody misses it much: the last (warden_keepers.c takes slots of others from behind) */
    WARM_KINDS,
};

static inline bool warm_is_copy(enum warm_kind kind)
{
    return kind == WARM_PYTHON || kind == WARM_PYTHON_PLAIN || kind == WARM_PHP;
}

static inline bool warm_is_python(enum warm_kind kind)
{
    return kind == WARM_PYTHON || kind == WARM_PYTHON_PLAIN;
}

/* Whether one that waits can be a program that wants another kind. */
static inline bool warm_can_be(enum warm_kind waits, enum warm_kind wanted)
{
    return waits == wanted || (waits == WARM_PYTHON && wanted == WARM_PYTHON_PLAIN) ||
           (waits == WARM_TRANSPILER && wanted == WARM_TYPESCRIPT) ||
           (waits == WARM_TYPESCRIPT && wanted == WARM_TRANSPILER);
}

/* Another process waits beside it, for a source that it is to read from a pipe: it makes the attempt before the step.
 */
static inline bool warm_has_transpiler(enum warm_kind kind)
{
    return kind == WARM_TRANSPILER;
}

/* One costs so little to start that it never takes the place of another that is still wanted. */
static inline bool warm_is_cheap(enum warm_kind kind)
{
    return kind == WARM_BASH;
}

/* It is a program's compile step, not its last one. */
static inline bool warm_is_compiler(enum warm_kind kind)
{
    return kind == WARM_JAVAC;
}
