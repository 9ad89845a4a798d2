/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/wan_rules.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/public_address.h"

/* Of all cells together. The host tracks these connections too, and has one table for all its programs. */
#define TOTAL_CONNECTIONS        16384
#define TOTAL_CONNECTIONS_SECOND 2000

/* Of one slot, with what the earlier cells in it left behind. */
#define SLOT_CONNECTIONS 2048

#define FORWARD_ONLY "codecell-forward"

static int add(struct buffer *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int add(struct buffer *text, const char *format, ...)
{
    char line[1024];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    return n < 0 || (size_t)n >= sizeof(line) ? -E2BIG : buffer_append(text, line, (size_t)n);
}

static int add_private_ranges(struct buffer *text)
{
    int r = add(text, "set private { type ipv4_addr; flags interval; elements = { ");

    for (size_t i = 0; i < PRIVATE_RANGES && r == 0; i++)
        r = add(text, "%s%s", i ? ", " : "", private_ranges[i].text);
    return r ? r : add(text, " }; }\n");
}

static int add_name_servers(const char *list, struct buffer *text)
{
    uint32_t address;
    int r, n = 0, added = add(text, "set resolvers { type ipv4_addr; ");

    while (added == 0 && (r = address_list_next(&list, &address)) != 0) {
        if (r < 0)
            return r;
        added = add(text, "%s%u.%u.%u.%u", n++ ? ", " : "elements = { ", address >> 24, address >> 16 & 255,
                    address >> 8 & 255, address & 255);
    }
    return added ? added : add(text, "%s}\n", n ? " }; " : "");
}

static int add_closed_ports(const char *list, struct buffer *text)
{
    int r = 0, n = 0;

    for (const char *p = list + strspn(list, " \t,"); *p && r == 0; p += strspn(p, " \t,")) {
        char *end;
        unsigned long port = strtoul(p, &end, 10);

        if (end == p || port < 1 || port > UINT16_MAX || !strchr(" \t,", *end))
            return -EINVAL;
        r = add(text, "%s%lu", n++ ? ", " : "tcp dport { ", port);
        p = end;
    }
    return r || n == 0 ? r : add(text, " } reject with icmp type admin-prohibited\n");
}

/* What a new connection of a cell must pass. A refusal is answered, so that programs fail at once. Datagrams that
 * nobody answered yet are "new" each; that their flow is known says that the first of them has passed. */
static int add_leaving(const struct wan_options *options, struct buffer *text)
{
    int r = add(text,
                "chain leaving {\n"
                "ip saddr != %u.%u.0.0/%u drop\n"
                "ct status confirmed accept\n"
                "meta l4proto != { tcp, udp } reject with icmp type admin-prohibited\n"
                "ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 goto counted\n"
                "ip daddr @private reject with icmp type admin-prohibited\n"
                "meta l4proto { tcp, udp } th dport { 53, 853 } reject with icmp type admin-prohibited\n",
                WAN_CELLS_FIRST >> 24, WAN_CELLS_FIRST >> 16 & 255, WAN_CELLS_BITS);

    if (r == 0)
        r = add_closed_ports(options->closed_ports, text);
    return r ? r : add(text, "goto counted\n}\n");
}

/* The pace is the slot's, so that many short programs have no more of it than a long one; the number of connections is
 * the cell's, which does not answer for those that an earlier one left, up to what keeps one slot from all of them. */
static int add_counted(const struct wan_options *options, struct buffer *text)
{
    unsigned long long rate = options->connections_per_second, most = options->connections_max;

    return add(
        text,
        "set pace { type ifname; size 4096; flags dynamic; }\n"
        "set held { type ipv4_addr; size 65536; flags dynamic; }\n"
        "set slots { type ifname; size 4096; flags dynamic; }\n"
        "chain counted {\n"
        "add @pace { iifname limit rate over %llu/second burst %llu packets } reject with icmp type admin-prohibited\n"
        "add @held { ip saddr ct count over %llu } reject with icmp type admin-prohibited\n"
        "add @slots { iifname ct count over %llu } reject with icmp type admin-prohibited\n"
        "limit rate over %d/second burst %d packets drop\n"
        "ct count over %d drop\n"
        "accept\n}\n",
        rate, rate * 4, most, most > SLOT_CONNECTIONS ? most : SLOT_CONNECTIONS, TOTAL_CONNECTIONS_SECOND,
        TOTAL_CONNECTIONS_SECOND * 2, TOTAL_CONNECTIONS);
}

/* For bytes the kernel adds the rate to the burst: what was not used for two seconds may come at once. */
static int add_bandwidth(const struct wan_options *options, struct buffer *text)
{
    unsigned long long kbytes = options->mbit_per_second * 125;

    if (kbytes == 0)
        return 0;
    return add(
        text,
        "iifname \"cell*\" add @sent { iifname limit rate over %llu kbytes/second burst %llu kbytes } drop\n"
        "oifname \"cell*\" add @received { oifname limit rate over %llu kbytes/second burst %llu kbytes } drop\n",
        kbytes, kbytes, kbytes, kbytes);
}

/* Times to live that run out would name the routers on the way, the host first. The ends of connections pass whatever
 * the bandwidth: one that is lost leaves the connection in the tables of switch and host, long after its cell. */
static int add_forward(const struct wan_options *options, struct buffer *text)
{
    int r = add(text, "set sent { type ifname; size 4096; flags dynamic; }\n"
                      "set received { type ifname; size 4096; flags dynamic; }\n"
                      "chain forward {\n"
                      "type filter hook forward priority filter; policy drop;\n"
                      "meta nfproto != ipv4 drop\n"
                      "ct state invalid drop\n"
                      "iifname \"uplink\" icmp type { time-exceeded, redirect } drop\n"
                      "tcp flags & (fin | rst) != 0 meta length < 120 ct state established accept\n");

    if (r == 0)
        r = add_bandwidth(options, text);
    return r ? r
             : add(text, "ct state { established, related } accept\n"
                         "iifname \"cell*\" oifname \"uplink\" goto leaving\n"
                         "iifname \"cell*\" reject with icmp type admin-prohibited\n"
                         "}\n");
}

int wan_rules_switch(const struct wan_options *options, struct buffer *text)
{
    int r = add(text, "table inet %s {\n", options->name);

    if (r == 0)
        r = add_private_ranges(text);
    if (r == 0)
        r = add_name_servers(options->name_servers, text);
    if (r == 0)
        r = add_counted(options, text);
    if (r == 0)
        r = add_leaving(options, text);
    if (r == 0)
        r = add_forward(options, text);
    if (r == 0)
        r = add(text, "chain input {\n"
                      "type filter hook input priority filter; policy drop;\n"
                      "iifname \"cell*\" reject with icmpx type admin-prohibited\n"
                      "}\n"
                      "chain leave {\n"
                      "type nat hook postrouting priority srcnat; policy accept;\n"
                      "oifname \"uplink\" masquerade\n"
                      "}\n}\n");
    return r;
}

/* "table;" makes the table if there is none, so that the removal cannot fail. Resets are not held back as the kernel
 * does with other refusals. What the host translates to another destination, such as the published port of a container,
 * is no public address any more; but a host may send questions to the configured name servers elsewhere. */
int wan_rules_host(const struct wan_options *options, unsigned number, struct buffer *text)
{
    char link[32];
    int r;

    snprintf(link, sizeof(link), "\"" WAN_UPLINK_PREFIX "%u\"", number);
    r = add(text, "table inet %s-%u;\ndelete table inet %s-%u;\ntable inet %s-%u {\n", options->name, number,
            options->name, number, options->name, number);
    if (r == 0)
        r = add(text,
                "chain input {\n"
                "type filter hook input priority mangle; policy accept;\n"
                "iifname %s meta l4proto tcp reject with tcp reset\n"
                "iifname %s reject with icmpx type admin-prohibited\n"
                "}\n"
                "chain output {\n"
                "type filter hook output priority mangle; policy accept;\n"
                "oifname %s ct state new drop\n"
                "}\n",
                link, link, link);
    if (r == 0)
        r = add(text,
                "chain forward {\n"
                "type filter hook forward priority mangle; policy accept;\n"
                "iifname %s ip saddr != 192.0.0.%u drop\n"
                "iifname %s meta l4proto { tcp, udp } ct status dnat ct original proto-dst != 53 "
                "reject with icmp type admin-prohibited\n"
                "iifname %s ct state new ct count over %d drop\n"
                "oifname %s ct state != { established, related } drop\n"
                "}\n"
                "chain leave {\n"
                "type nat hook postrouting priority srcnat; policy accept;\n"
                "iifname %s oifname != %s masquerade\n"
                "}\n}\n",
                link, number, link, link, TOTAL_CONNECTIONS, link, link, link);
    return r;
}

int wan_rules_host_gone(const struct wan_options *options, unsigned number, struct buffer *text)
{
    return add(text, "delete table inet %s-%u\n", options->name, number);
}

int wan_rules_host_there(const struct wan_options *options, unsigned number, struct buffer *text)
{
    return add(text, "list table inet %s-%u\n", options->name, number);
}

int wan_rules_forward_only(struct buffer *text)
{
    return add(text, "table ip " FORWARD_ONLY ";\ndelete table ip " FORWARD_ONLY ";\n"
                     "table ip " FORWARD_ONLY " {\n"
                     "chain forward {\n"
                     "type filter hook forward priority filter; policy drop;\n"
                     "iifname \"" WAN_UPLINK_PREFIX "*\" accept\n"
                     "oifname \"" WAN_UPLINK_PREFIX "*\" accept\n"
                     "}\n}\n");
}

int wan_rules_forward_only_there(struct buffer *text)
{
    return add(text, "list table ip " FORWARD_ONLY "\n");
}

int wan_rules_forward_only_gone(struct buffer *text)
{
    return add(text, "delete table ip " FORWARD_ONLY "\n");
}
