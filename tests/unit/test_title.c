/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/title.h"

static int count;
static char **arguments;

static size_t command_line(char *to, size_t size)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, to, size);

    close(fd);
    assert_true(n >= 0);
    return (size_t)n;
}

/* The whole of it must go, since every process of a PID namespace may read it. */
static void the_title_replaces_every_argument(void **state)
{
    static char text[65536];
    size_t size;

    (void)state;
    title_set("before the start nothing happens");
    title_init(count, arguments);
    title_set("one");
    size = command_line(text, sizeof(text));
    assert_string_equal(text, "one");
    for (size_t i = 3; i < size; i++)
        assert_int_equal(text[i], 0);
}

static void a_title_longer_than_the_arguments_is_cut(void **state)
{
    static char text[65536], title[65536];

    (void)state;
    memset(title, 'x', sizeof(title) - 1);
    title_set(title);
    assert_true(command_line(text, sizeof(text)) > 0);
    assert_int_equal(text[0], 'x');
    title_set("");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_title_replaces_every_argument),
        cmocka_unit_test(a_title_longer_than_the_arguments_is_cut),
    };

    count = argc;
    arguments = argv;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
