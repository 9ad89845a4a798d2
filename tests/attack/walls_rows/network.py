# SPDX-License-Identifier: Apache-2.0
"""Networks that reach public addresses, and the proxy."""

from walls_rows.row import RULES, SLOT_RUN, wall

ROWS = [
    # -- networks that reach public addresses
    wall(
        "wan: private ranges",
        "n04::test_n04_no_other_address n04::test_n04_names_that_lie n04::test_n04_every_spelling",
        (RULES, '"ip daddr @private reject with icmp type admin-prohibited\\n"', '""'),
    ),
    wall(
        "wan: the host takes what comes from cells",
        "n04::test_n04_no_other_address n04::test_n04_a_scan_finds_what_the_mode_allows",
        (RULES, '"iifname %s meta l4proto tcp reject with tcp reset\\n"', '"iifname %s accept\\n"'),
    ),
    wall(
        "wan: other name servers",
        "n04::test_n04_only_the_configured_resolver",
        (RULES, '"meta l4proto { tcp, udp } th dport { 53, 853 } reject with icmp type admin-prohibited\\n"', '""'),
    ),
    wall(
        "wan: IPv6 in cells",
        "n04::test_n04_no_ipv6",
        ("cell/wan_port.c", "int r = close_ipv6(port->wan);", "int r = 0;\n\n    (void)close_ipv6;"),
    ),
    wall(
        "wan: mail",
        "n08::test_n08_no_mail n08::test_n08_the_ports_are_the_operators_choice",
        (RULES, '" } reject with icmp type admin-prohibited\\n"', '" } goto counted\\n"'),
    ),
    wall(
        "wan: pace of new connections",
        "n08::test_n08_new_flows_a_second",
        (RULES, "rate, rate * 4,", "99999ull, 999999ull,"),
    ),
    wall(
        "wan: connections at a time",
        "n08::test_n08_connections_at_a_time",
        (RULES, "rate, rate * 4, most, most >", "rate, rate * 4, 99999ull, most >"),
    ),
    wall("wan: bandwidth", "n08::test_n08_bandwidth", (RULES, "if (kbytes == 0)", "if (kbytes != 1)")),
    wall(
        "wan: one address for all networks of a slot",
        "x07::test_x07_each_used_network_is_another",
        ("cell/wan_port.c", "port->turn += port->step;", "port->turn = port->step;"),
    ),
    wall(
        "wan: ports that the host publishes",
        "x07::test_x07_what_the_host_publishes",
        (
            RULES,
            '"reject with icmp type admin-prohibited\\n"\n                "iifname %s ct state new',
            '"accept\\n"\n                "iifname %s ct state new',
        ),
    ),
    wall(
        "wan: connections outlive their program",
        "x07::test_x07_connections_end_with_their_program",
        (RULES, '"tcp flags & (fin | rst) != 0 meta length < 120 ct state established accept\\n"', '""'),
    ),
    wall(
        "wan: the switch lets in what nobody asked for",
        "x07::test_x07_nobody_comes_in",
        (
            RULES,
            "type filter hook forward priority filter; policy drop;\\n\"\n                      \"meta",
            "type filter hook forward priority filter; policy accept;\\n\"\n                      \"meta",
        ),
        behind="the host lets nothing new through to the switch",
    ),
    wall(
        "wan: the host lets through what nobody asked for",
        "x07::test_x07_nobody_comes_in",
        (RULES, '"oifname %s ct state != { established, related } drop\\n"', '"oifname %s accept\\n"'),
        (RULES, '"oifname %s ct state new drop\\n"', '"oifname %s accept\\n"'),
        behind="the switch takes nothing new in",
    ),
    wall(
        "wan: nobody holds back what comes in",
        "x07::test_x07_nobody_comes_in",
        (
            RULES,
            "type filter hook forward priority filter; policy drop;\\n\"\n                      \"meta",
            "type filter hook forward priority filter; policy accept;\\n\"\n                      \"meta",
        ),
        (RULES, '"oifname %s ct state != { established, related } drop\\n"', '"oifname %s accept\\n"'),
        (RULES, '"oifname %s ct state new drop\\n"', '"oifname %s accept\\n"'),
    ),
    wall(
        "wan: rules that are refused do not stop the start",
        "x07::test_x07_no_rules_no_server",
        ("main/check/check_wan.c", "check_say(report, CHECK_FAIL, \"apt-get", "check_say(report, CHECK_WARN, \"apt-get"),
        ("cell/nft.c", "return -EPERM;", "return 0;"),
    ),
    wall(
        "wan: keys that may have less have all of it",
        "x07::test_x07_a_key_may_have_less x07::test_x07_no_key_has_more_than_the_server",
        (SLOT_RUN, "r = wan_port_disconnect(&slot->port);", "r = 0;"),
    ),
    wall(
        "proxy: keys without a network reach it",
        "x07::test_x07_a_key_may_have_less x07::test_x07_no_key_has_more_than_the_server",
        (SLOT_RUN, "if (shutdown(slot->listener_fd, SHUT_RDWR) < 0)", "if (slot->listener_fd < 0)"),
    ),
    # -- the proxy
    wall(
        "proxy: any host",
        "n05::test_n05_each_head_has_one_meaning unit:egress",
        (
            "egress/allowlist.c",
            "list->entries[i].port == port && strcmp(list->entries[i].host, host) == 0",
            "list->entries[i].port && host && port",
        ),
    ),
    wall(
        "proxy: names that lead to private addresses",
        "n05::test_n05_each_head_has_one_meaning",
        ("egress/dial.c", "if (!may_be_reached(info))", "if (!may_be_reached(info) && !info->ai_addr)"),
    ),
    wall(
        "proxy: the host's own public address",
        "n05::test_n05_each_head_has_one_meaning x07::test_x07_the_hosts_own_addresses_by_any_setting",
        ("egress/dial.c", "           !address_is_own(ntohl(address->sin_addr.s_addr));", "           true;"),
    ),
    wall(
        "proxy: the resolver's further domains",
        "n05::test_n05_names_are_whole",
        ("egress/dial.c", "_res.options &=", "_res.options |= 0 &"),
    ),
    wall(
        "proxy: announced bodies",
        "n05::test_n05_each_head_has_one_meaning",
        (
            "egress/connect_head.c",
            "if (equals_any_case(name, refused[i]))",
            "if (equals_any_case(name, refused[i]) && !line.data)",
        ),
    ),
    wall(
        "proxy: TLS for any host",
        "n06::test_n06_nothing_else",
        ("egress/tunnel.c", "return r == 0 && strcmp(name, tunnel->target.host) == 0;", "return r == 0;"),
    ),
    wall(
        "proxy: anything but TLS",
        "n06::test_n06_nothing_else n05::test_n05_smuggled_requests_are_data",
        (
            "egress/tunnel.c",
            "return r == 0 && strcmp(name, tunnel->target.host) == 0;",
            "return r != 0 || strcmp(name, tunnel->target.host) == 0;",
        ),
    ),
    wall(
        "proxy: hidden names",
        "n06::test_n06_nothing_else unit:egress",
        ("egress/client_hello.c", "if (type == ECH || type == ESNI)", "if (type == ECH && type == ESNI)"),
    ),
    wall(
        "proxy: connections of one slot",
        "n05::test_n05_slow_and_many",
        ("egress/proxy.h", "#define PROXY_CONNECTIONS_SLOT_MAX 32", "#define PROXY_CONNECTIONS_SLOT_MAX 512"),
    ),
    wall(
        "proxy: connections outlive their program",
        "n05::test_n05_a_program_leaves_its_successor_all_room",
        ("egress/proxy.c", "    hang_up(proxy, message.slot);\n", "    (void)hang_up;\n"),
    ),
    wall(
        "proxy: beginnings in drops",
        "n06::test_n06_a_beginning_in_drops",
        ("egress/tunnel.c", "#define READS_MAX 512", "#define READS_MAX 99999"),
    ),
    wall(
        "proxy: outlives a killed warden",
        "x07::test_x07_the_proxy_dies_with_the_warden",
        ("warden/unprivileged.c", "prctl(PR_SET_PDEATHSIG, SIGKILL)", "prctl(PR_SET_PDEATHSIG, SIGTERM)"),
    ),
    wall(
        "proxy: no walls of its own",
        "x07::test_x07_the_proxy_has_no_rights",
        ("main/proxy.c", "r = confine_calls();", "r = 0;"),
    ),
]
