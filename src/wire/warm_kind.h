/* SPDX-License-Identifier: Apache-2.0 */
/* warm_kind.h -- what may wait in an armed cell to become a program's last step.
 *
 * The copy of a zygote is made by a zygote, in a moment. Any other is a runtime that the cell's init starts ahead
 * (cell/runtime.h): an interpreter that cannot be copied has its start behind it when its program comes. */
#pragma once

enum warm_kind {
    WARM_NONE,
    WARM_PYTHON, /* the copy of a zygote */
    WARM_NODE,
    WARM_TYPESCRIPT, /* Node with what a transpiled program needs */
    WARM_PHP,
    WARM_R,
    WARM_KINDS,
};
