/* SPDX-License-Identifier: Apache-2.0 */
/* proxy.c -- `codecell proxy`: the process that cells with an allow-list speak to. Started by the warden as a user of
 * its own; it puts up the walls of the api around itself, with no directory and no port to bind, before the first cell
 * can connect. */
#include "egress/proxy.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "main/command.h"
#include "main/confine/confine.h"
#include "main/option.h"

#define NICE 5

static int fail(const char *what, int error)
{
    log_error("proxy: %s: %s", what, strerror(-error));
    return 1;
}

/* The first lookup loads libraries, which is impossible later. */
static void load_resolver(void)
{
    struct addrinfo *found = NULL;

    if (getaddrinfo("localhost", "443", NULL, &found) == 0)
        freeaddrinfo(found);
}

static int confine(void)
{
    const struct confine_options options = { 0 };
    int r;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fail("no_new_privs", -errno);
    r = confine_files(&options);
    if (r < 0 && r != -EOPNOTSUPP)
        return fail("Landlock", r);
    r = confine_calls();
    return r < 0 ? fail("system call filter", r) : 0;
}

int command_proxy(int argc, char **argv)
{
    static struct allowlist list;
    const char *hosts = "", *format = "json";
    int feed_fd = -1, status, level = LOG_LEVEL_INFO, r;
    const struct option_row rows[] = {
        { "--feed-fd", "N", "where listening sockets come from", .number = &feed_fd },
        { "--hosts", "LIST", "hosts that programs may reach", .text = &hosts },
        { "--log-level", "N", "as the warden counts them", .number = &level },
        { "--log-format", "FORMAT", "json or text", .text = &format },
        { 0 },
    };

    if (!option_parse("proxy", rows, argc, argv, &status))
        return status;
    log_init(&(struct log_options){
        .level = (enum log_level)level,
        .json = strcmp(format, "json") == 0,
        .fd = STDOUT_FILENO,
        .process = "proxy",
    });
    if (feed_fd < 0 || allowlist_parse(hosts, &list) < 0) {
        fprintf(stderr, "codecell proxy: the warden starts it, with --feed-fd and --hosts\n");
        return EX_CONFIG;
    }
    (void)setpriority(PRIO_PROCESS, 0, NICE); /* what it does for cells is charged to none of them */
    load_resolver();
    status = confine();
    if (status != 0)
        return status;
    log_info("lets programs through to %zu hosts", list.n);
    r = proxy_run(&list, feed_fd);
    return r < 0 ? fail("loop", r) : 0;
}
