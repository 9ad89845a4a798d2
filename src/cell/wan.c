/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/wan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "cell/mount_api.h"
#include "cell/netlink.h"

#define LOWEST_FD    16
#define FORWARD      "sys/net/ipv4/ip_forward"
#define REDIRECTS    "sys/net/ipv4/conf/all/accept_redirects"
#define UPLINK_INDEX 100 /* in the switch; above what the kernel makes by itself */

/* What holds in the switch, and in every link that is made in it afterwards. */
static const struct {
    const char *file, *value;
    bool optional;
} switch_settings[] = {
    { "sys/net/ipv6/conf/all/disable_ipv6", "1", true }, /* a kernel without IPv6 has no such file */
    { "sys/net/ipv6/conf/default/disable_ipv6", "1", true },
    { "sys/net/ipv4/ip_forward", "1", false },
    { "sys/net/ipv4/conf/all/rp_filter", "1", false },
    { "sys/net/ipv4/conf/default/rp_filter", "1", false },
    { "sys/net/ipv4/conf/all/accept_source_route", "0", false },
    { "sys/net/ipv4/conf/default/accept_source_route", "0", false },
    { "sys/net/ipv4/conf/all/accept_redirects", "0", false },
    { "sys/net/ipv4/conf/default/accept_redirects", "0", false },
    { "sys/net/ipv4/conf/all/send_redirects", "0", false },
    { "sys/net/ipv4/conf/default/send_redirects", "0", false },
    { "sys/net/ipv4/conf/all/log_martians", "0", true },
    { "sys/net/ipv4/icmp_ratemask", "0", true }, /* every refusal is told, so that programs fail at once */
    /* Connections that nobody ended are forgotten in an hour, not in five days, and in a minute what waits for an end
     * or for an answer. */
    { "sys/net/netfilter/nf_conntrack_tcp_timeout_established", "3600", true },
    { "sys/net/netfilter/nf_conntrack_tcp_timeout_syn_sent", "30", true },
    { "sys/net/netfilter/nf_conntrack_tcp_timeout_unacknowledged", "60", true },
    { "sys/net/netfilter/nf_conntrack_tcp_timeout_max_retrans", "60", true },
    { "sys/net/netfilter/nf_conntrack_tcp_timeout_fin_wait", "30", true },
};

static int set_optional(int proc_fd, const char *file, const char *value)
{
    int r = fd_write_at(proc_fd, file, value);

    return r == -ENOENT ? 0 : r;
}

static int set_up_switch(int proc_fd, char reason[static NFT_REASON_SIZE])
{
    for (size_t i = 0; i < ARRAY_SIZE(switch_settings); i++) {
        int r = fd_write_at(proc_fd, switch_settings[i].file, switch_settings[i].value);

        if (r < 0 && !(switch_settings[i].optional && r == -ENOENT)) {
            snprintf(reason, NFT_REASON_SIZE, "/proc/%s: %s", switch_settings[i].file, strerror(-r));
            return r;
        }
    }
    return 0;
}

/* /proc of the host may be read-only or masked, as in containers; one's own never is. */
static int open_proc(int *ret_fd)
{
    return mount_new("proc", NULL, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, ret_fd);
}

static int open_network(int proc_fd, int *ret_fd)
{
    int fd = openat(proc_fd, "thread-self/ns/net", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return error_from_errno();
    *ret_fd = fd;
    return 0;
}

static int load(int (*rules)(const struct wan_options *, struct buffer *), const struct wan_options *options,
                char reason[static NFT_REASON_SIZE])
{
    CLEANUP(buffer_deinit) struct buffer text = BUFFER_INIT(WAN_RULES_MAX_BYTES);
    int r = rules(options, &text);

    if (r < 0) {
        snprintf(reason, NFT_REASON_SIZE, "rules: %s", strerror(-r));
        return r;
    }
    return nft_load(text.data, reason);
}

/* The pair between switch and host. Its name there says which of the numbers are taken: by other servers of this host.
 */
static int make_uplink(struct wan *wan, int fd, int host_ns_fd)
{
    char name[IF_NAMESIZE];
    const struct netlink_end uplink = { "uplink", UPLINK_INDEX, -1 };
    int r = -EEXIST;

    for (unsigned number = 1; r == -EEXIST && number <= WAN_NUMBERS; number++) {
        snprintf(name, sizeof(name), WAN_UPLINK_PREFIX "%u", number);
        r = netlink_pair_new(fd, &uplink, &(struct netlink_end){ name, 0, host_ns_fd });
        if (r == 0)
            wan->number = number;
    }
    return r;
}

static int connect_switch(struct wan *wan, int host_ns_fd, char reason[static NFT_REASON_SIZE])
{
    CLEANUP_CLOSE int fd = -1;
    int r = netlink_open(&fd);

    if (r == 0)
        r = make_uplink(wan, fd, host_ns_fd);
    if (r == 0)
        r = netlink_link_up(fd, UPLINK_INDEX);
    if (r == 0)
        r = netlink_address_add(fd, UPLINK_INDEX, WAN_UPLINK_FIRST + wan->number);
    if (r == 0)
        r = netlink_default_route_add(fd, UPLINK_INDEX, WAN_NOBODY);
    if (r < 0)
        snprintf(reason, NFT_REASON_SIZE, "uplink of the switch: %s",
                 r == -EEXIST ? "so many servers of this host have one already" : strerror(-r));
    return r;
}

/* Leaves the calling process in the switch. */
static int make_switch(struct wan *wan, int host_ns_fd, char reason[static NFT_REASON_SIZE])
{
    int r = unshare(CLONE_NEWNET) < 0 ? error_from_errno() : open_network(wan->proc_fd, &wan->switch_fd);

    if (r < 0) {
        snprintf(reason, NFT_REASON_SIZE, "network namespace: %s", strerror(-r));
        return r;
    }
    r = load(wan_rules_switch, &wan->options, reason);
    if (r == 0)
        r = set_up_switch(wan->proc_fd, reason);
    return r ? r : connect_switch(wan, host_ns_fd, reason);
}

static int host_rules(struct wan *wan, int (*rules)(const struct wan_options *, unsigned, struct buffer *),
                      char reason[static NFT_REASON_SIZE])
{
    CLEANUP(buffer_deinit) struct buffer text = BUFFER_INIT(WAN_RULES_MAX_BYTES);
    int r = rules(&wan->options, wan->number, &text);

    return r ? r : nft_load(text.data, reason);
}

static int forward_rules(int (*rules)(struct buffer *), char reason[static NFT_REASON_SIZE])
{
    CLEANUP(buffer_deinit) struct buffer text = BUFFER_INIT(WAN_RULES_MAX_BYTES);
    int r = rules(&text);

    return r ? r : nft_load(text.data, reason);
}

/* The rules are there before the link is up. */
static int connect_host(struct wan *wan, char reason[static NFT_REASON_SIZE])
{
    CLEANUP_CLOSE int fd = -1;
    char name[IF_NAMESIZE], file[96];
    int index, r = host_rules(wan, wan_rules_host, reason);

    if (r < 0)
        return r;
    snprintf(name, sizeof(name), WAN_UPLINK_PREFIX "%u", wan->number);
    snprintf(file, sizeof(file), "sys/net/ipv6/conf/%s/disable_ipv6", name);
    index = (int)if_nametoindex(name);
    r = set_optional(wan->proc_fd, file, "1");
    if (r == 0)
        r = netlink_open(&fd);
    if (r == 0)
        r = netlink_link_up(fd, index);
    if (r == 0)
        r = netlink_route_add(fd, index, WAN_UPLINK_FIRST + wan->number);
    if (r < 0)
        snprintf(reason, NFT_REASON_SIZE, "%s: %s", name, strerror(-r));
    return r;
}

static bool forwards(int proc_fd)
{
    char value[8];

    return fd_read_at(proc_fd, FORWARD, value, sizeof(value)) > 0 && value[0] == '1';
}

/* A host that forwards nothing becomes a router by this switch, for all its networks: so it forwards ours alone. */
static int let_host_forward(struct wan *wan, char reason[static NFT_REASON_SIZE])
{
    char redirects[sizeof(wan->redirects)];
    int r;

    if (forwards(wan->proc_fd))
        return 0;
    r = (int)fd_read_at(wan->proc_fd, REDIRECTS, redirects, sizeof(redirects));
    r = r < 0 ? r : forward_rules(wan_rules_forward_only, reason);
    if (r == 0)
        r = fd_write_at(wan->proc_fd, FORWARD, "1");
    if (r == 0)
        memcpy(wan->redirects, redirects, sizeof(redirects));
    if (r < 0 && reason[0] == '\0')
        snprintf(reason, NFT_REASON_SIZE, "net.ipv4.ip_forward: %s", strerror(-r));
    return r;
}

/* Keepers put other descriptors at low numbers. */
static int move_up(int *fd)
{
    int up = fcntl(*fd, F_DUPFD_CLOEXEC, LOWEST_FD);

    if (up < 0)
        return error_from_errno();
    close(*fd);
    *fd = up;
    return 0;
}

int wan_open(const struct wan_options *options, struct wan *ret_wan, char reason[static NFT_REASON_SIZE])
{
    CLEANUP_CLOSE int home = -1;
    struct wan wan = WAN_INIT;
    int r;

    wan.options = *options;
    reason[0] = '\0';
    r = open_proc(&wan.proc_fd);
    if (r == 0)
        r = open_network(wan.proc_fd, &home);
    if (r == 0)
        r = make_switch(&wan, home, reason);
    if (home >= 0 && setns(home, CLONE_NEWNET) < 0 && r == 0)
        r = error_from_errno();
    if (r == 0)
        r = connect_host(&wan, reason);
    if (r == 0)
        r = let_host_forward(&wan, reason);
    if (r == 0)
        r = move_up(&wan.switch_fd);
    if (r == 0)
        r = move_up(&wan.proc_fd);
    if (r < 0 && reason[0] == '\0')
        snprintf(reason, NFT_REASON_SIZE, "%s", strerror(-r));
    if (r < 0)
        wan_close(&wan);
    else
        *ret_wan = wan;
    return r;
}

static bool others_forward(void)
{
    char name[IF_NAMESIZE];

    for (unsigned number = 1; number <= WAN_NUMBERS; number++) {
        snprintf(name, sizeof(name), WAN_UPLINK_PREFIX "%u", number);
        if (if_nametoindex(name) > 0)
            return true;
    }
    return false;
}

/* If the table is there, this server or one that was killed made the host forward. The rules that hold back the rest go
 * last. A host that stops to forward is made to believe redirects; where it is not known whether it did, it does not.
 * Returns whether there was such a table. */
static bool let_host_rest(const struct wan *wan)
{
    char reason[NFT_REASON_SIZE], redirects[sizeof(wan->redirects)];

    if (others_forward() || forward_rules(wan_rules_forward_only_there, reason) < 0)
        return false;
    if (wan->redirects[0] == '\0' && fd_read_at(wan->proc_fd, REDIRECTS, redirects, sizeof(redirects)) <= 0)
        redirects[0] = '\0';
    (void)fd_write_at(wan->proc_fd, FORWARD, "0");
    (void)fd_write_at(wan->proc_fd, REDIRECTS, wan->redirects[0] ? wan->redirects : redirects);
    (void)forward_rules(wan_rules_forward_only_gone, reason);
    return true;
}

void wan_close(struct wan *wan)
{
    char reason[NFT_REASON_SIZE], name[IF_NAMESIZE];
    CLEANUP_CLOSE int fd = -1;

    if (wan->number > 0 && netlink_open(&fd) == 0) {
        snprintf(name, sizeof(name), WAN_UPLINK_PREFIX "%u", wan->number);
        (void)netlink_link_delete(fd, (int)if_nametoindex(name));
        (void)host_rules(wan, wan_rules_host_gone, reason);
        (void)let_host_rest(wan);
    }
    cleanup_close_fd(&wan->switch_fd);
    cleanup_close_fd(&wan->proc_fd);
    *wan = WAN_INIT;
}

/* Whoever had an earlier number may have given it back. */
static bool forget_tables(struct wan *wan)
{
    char reason[NFT_REASON_SIZE];
    bool found = false;

    for (wan->number = 1; wan->number <= WAN_NUMBERS; wan->number++)
        if (host_rules(wan, wan_rules_host_there, reason) == 0)
            found |= host_rules(wan, wan_rules_host_gone, reason) == 0;
    return found;
}

bool wan_forget(const char *name)
{
    struct wan wan = WAN_INIT;
    bool found = false;

    wan.options.name = name;
    if (open_proc(&wan.proc_fd) == 0 && forwards(wan.proc_fd) &&
        faccessat(wan.proc_fd, "sys/net/netfilter/nf_conntrack_count", F_OK, 0) == 0 && !others_forward()) {
        found = forget_tables(&wan);
        found |= let_host_rest(&wan);
    }
    cleanup_close_fd(&wan.proc_fd);
    return found;
}

int wan_try(const struct wan_options *options, char reason[static NFT_REASON_SIZE])
{
    const struct netlink_end here = { .name = "uplink", .ns_fd = -1 }, there = { .name = "eth0", .ns_fd = -1 };
    struct wan wan = WAN_INIT;
    CLEANUP_CLOSE int fd = -1;
    int r;

    wan.options = *options;
    wan.number = 1;
    reason[0] = '\0';
    r = open_proc(&wan.proc_fd);
    if (r == 0)
        r = load(wan_rules_switch, options, reason);
    if (r == 0)
        r = host_rules(&wan, wan_rules_host, reason);
    if (r == 0)
        r = set_up_switch(wan.proc_fd, reason);
    if (r == 0)
        r = netlink_open(&fd);
    if (r == 0 && (r = netlink_pair_new(fd, &here, &there)) < 0)
        snprintf(reason, NFT_REASON_SIZE, "veth: %s", strerror(-r));
    cleanup_close_fd(&wan.proc_fd);
    if (r < 0 && reason[0] == '\0')
        snprintf(reason, NFT_REASON_SIZE, "%s", strerror(-r));
    return r;
}
