/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/plain.h"

static bool is_plain(const char *code)
{
    return plain_source(code, strlen(code));
}

static void test_plain(void **state)
{
    static const char *const sources[] = {
        "",
        "print(1)",
        "import os.path as p, sys\nimport json;import math\nprint(p, sys)",
        "from collections import Counter, deque\nfrom os.path import join as j\n",
        "def f():\n    yield from g()\n    raise ValueError(1) from None\n",
        "if x:\n\timport\tre\nimport re",
        "import asyncio\nasync def main(): pass\n",
        "important = 1; fromage = 2; npx = 3; x_np = 4; spam = 5\n",
        "x = 'f\xc3\xbcr np\xc3\xa4'",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
        if (!is_plain(sources[i]))
            fail_msg("not plain: %s", sources[i]);
}

static void test_not_plain(void **state)
{
    static const char *const sources[] = {
        "import numpy",
        "x = np.zeros(3)",
        "import os, pandas",
        "import os as pd",
        "import os as o, seaborn",
        "import json,requests",
        "from matplotlib import pyplot",
        "from scipy.stats import norm",
        "from helper import f",
        "from . import f",
        "from .helper import f",
        "from os import path\nimport helper",
        "import",
        "import ",
        "import os,",
        "import (os)",
        "import os.numpy",
        "__import__('numpy')",
        "__import__('nu' 'mpy')",
        "exec('import seaborn')",
        "x = \"numpy\"",
        "plt.show()",
        "a=sp.symbols('x')",
        "import a_name_that_is_far_longer_than_any_of_those_of_the_table",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
        if (is_plain(sources[i]))
            fail_msg("plain: %s", sources[i]);
}

static void test_length(void **state)
{
    size_t most = 65536;
    CLEANUP_FREE char *code = malloc(most + 1);

    (void)state;
    memset(code, ' ', most + 1);
    assert_true(plain_source(code, most));
    assert_false(plain_source(code, most + 1));
    memcpy(code + most - 2, "np", 2);
    assert_false(plain_source(code, most));
    assert_true(plain_source(code, most - 1)); /* it ends before the p */
    assert_true(plain_source("import os, numpy", 9));
}

static bool names(const char *code)
{
    return plain_names_library(code, strlen(code));
}

static void test_libraries(void **state)
{
    (void)state;
    assert_true(names("pd") && names("import numpy as n") && names("(x,plt.y)") && names("a;sp"));
    assert_false(names("") || names("import mine, runpy") || names("__import__('time')") || names("npx = pdf"));
    assert_false(plain_names_library("x = np", 5)); /* it ends before the p */
}

static void test_sessions(void **state)
{
    static struct plain_sessions sessions;

    (void)state;
    assert_false(plain_was(&sessions, "a"));
    plain_note(&sessions, "a", true);
    assert_true(plain_was(&sessions, "a"));
    assert_false(plain_was(&sessions, "b"));
    plain_note(&sessions, "b", false);
    plain_note(&sessions, "c", true);
    assert_true(plain_was(&sessions, "a") && plain_was(&sessions, "c"));
    plain_note(&sessions, "a", false);
    assert_false(plain_was(&sessions, "a"));
    assert_true(plain_was(&sessions, "c"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),     cmocka_unit_test(test_not_plain), cmocka_unit_test(test_length),
        cmocka_unit_test(test_libraries), cmocka_unit_test(test_sessions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
