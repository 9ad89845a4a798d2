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

/* What is said of a kind besides its name. */
struct warm_traits {
    bool is_copy;          /* of a zygote */
    bool is_python;        /* an interpreter with libraries or without */
    bool is_compiler;      /* a program's compile step, not its last one */
    bool has_transpiler;   /* another process waits beside it, for a source that it is to read from a pipe: it makes the
                              attempt before the step */
    bool is_cheap;         /* costs so little to start that it never takes the place of another that is still wanted */
    enum warm_kind can_be; /* one that waits can be a program that wants this kind too */
    enum warm_kind unbuilt; /* what serves a program of the kind that has not been built before; WARM_NONE = the same */
};

static const struct warm_traits warm_table[WARM_KINDS] = {
    [WARM_PYTHON] = { .is_copy = true, .is_python = true, .can_be = WARM_PYTHON_PLAIN },
    [WARM_PYTHON_PLAIN] = { .is_copy = true, .is_python = true },
    [WARM_PHP] = { .is_copy = true },
    [WARM_TYPESCRIPT] = { .can_be = WARM_TRANSPILER, .unbuilt = WARM_TRANSPILER },
    [WARM_TRANSPILER] = { .has_transpiler = true, .can_be = WARM_TYPESCRIPT },
    [WARM_JAVAC] = { .is_compiler = true },
    [WARM_BASH] = { .is_cheap = true },
};

/* A number that is no kind has the traits of none. */
static inline const struct warm_traits *warm_traits(enum warm_kind kind)
{
    return &warm_table[(unsigned)kind < WARM_KINDS ? kind : WARM_NONE];
}

static inline bool warm_can_be(enum warm_kind waits, enum warm_kind wanted)
{
    return waits == wanted || (wanted != WARM_NONE && warm_traits(waits)->can_be == wanted);
}
