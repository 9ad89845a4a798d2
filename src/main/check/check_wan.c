/* SPDX-License-Identifier: Apache-2.0 */
/* check_wan.c -- what cells reach, and what their networks need: nft, rules that the kernel takes, links, name servers
 * that answer them.
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/public_address.h"
#include "cell/wan.h"
#include "main/check/check.h"

/* Shared with the child that tries. */
struct trial {
    struct wan_options options;
    char reason[NFT_REASON_SIZE];
};

static int try_rules(const void *argument)
{
    struct trial *trial = (struct trial *)argument;

    if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
        return error_from_errno();
    return wan_try(&trial->options, trial->reason);
}

/* Cells cannot reach the host, so no name server there. Returns true and its address if the list has one. */
static bool has_own_server(const char *list, uint32_t *ret_address)
{
    while (address_list_next(&list, ret_address) > 0)
        if (address_is_own(*ret_address))
            return true;
    return false;
}

static void report_trial(const struct check_context *context, const struct trial *trial, int r,
                         struct check_report *report)
{
    const struct config *config = context->config;

    if (r == 0)
        check_ok(report, "ENABLE_WAN_ACCESS: the rules of %s can be loaded", config->wan_network_name);
    else if (r == -ENOENT)
        check_say(report, CHECK_FAIL, "apt-get install nftables", "ENABLE_WAN_ACCESS needs nft, which is not here");
    else
        check_say(report, CHECK_FAIL, host_mend(&context->host, HOST_NEEDS_CAPABILITIES),
                  "ENABLE_WAN_ACCESS: the packet filter refuses: %s", trial->reason[0] ? trial->reason : strerror(-r));
}

static void report_without(const struct config *config, struct check_report *report)
{
    const char *list = config->sandbox_egress_allowlist, *start;
    size_t length;

    if (!config->enable_sandbox_network)
        check_ok(report, "cells have no network");
    else if (config_list_next(&list, &start, &length))
        check_ok(report, "cells reach the hosts of SANDBOX_EGRESS_ALLOWLIST and nothing else");
    else
        check_say(report, CHECK_WARN, "list hosts in SANDBOX_EGRESS_ALLOWLIST, such as pypi.org,files.pythonhosted.org",
                  "ENABLE_SANDBOX_NETWORK is on and no host is listed: cells reach nothing");
}

void check_wan(const struct check_context *context, struct check_report *report)
{
    const struct config *config = context->config;
    struct trial *trial;
    uint32_t server;
    int r;

    if (!config->enable_wan_access) {
        report_without(config, report);
        return;
    }
    if (has_own_server(config->wan_dns_servers, &server)) {
        check_say(report, CHECK_FAIL, "set WAN_DNS_SERVERS to name servers elsewhere",
                  "WAN_DNS_SERVERS names %u.%u.%u.%u, which is this machine; cells cannot reach it", server >> 24,
                  server >> 16 & 255, server >> 8 & 255, server & 255);
        return;
    }
    trial = mmap(NULL, sizeof(*trial), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (trial == MAP_FAILED) {
        check_say(report, CHECK_FAIL, "give the machine more memory", "ENABLE_WAN_ACCESS: %s", strerror(errno));
        return;
    }
    trial->options = (struct wan_options){
        .name = config->wan_network_name,
        .name_servers = config->wan_dns_servers,
        .closed_ports = config->wan_closed_ports,
        .connections_per_second = (uint64_t)config->wan_connections_per_second,
        .connections_max = (uint64_t)config->wan_max_connections,
        .mbit_per_second = (uint64_t)config->wan_mbit_per_second,
    };
    r = check_in_child(try_rules, trial);
    report_trial(context, trial, r, report);
    munmap(trial, sizeof(*trial));
}
