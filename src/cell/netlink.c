/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define BODY_BYTES    512
#define ANSWER_BYTES  4096
#define PLACE(length) (((length) + 3u) & ~3u)

/* A locally administered address, the same for every end. */
static const unsigned char hardware_address[6] = { 0x02, 0, 0, 0, 0, 0x01 };

/* What is added always fits: all texts and numbers are ours. */
struct request {
    struct nlmsghdr header;
    char body[BODY_BYTES];
};

static void *add_bytes(struct request *request, const void *data, size_t size)
{
    void *place = (char *)request + request->header.nlmsg_len;

    memcpy(place, data, size);
    request->header.nlmsg_len += PLACE((uint32_t)size);
    return place;
}

static void add_attribute(struct request *request, unsigned short type, const void *data, size_t size)
{
    struct rtattr attribute = { .rta_type = type, .rta_len = (unsigned short)(sizeof(attribute) + size) };

    add_bytes(request, &attribute, sizeof(attribute));
    if (size > 0)
        add_bytes(request, data, size);
}

static void add_number(struct request *request, unsigned short type, uint32_t value)
{
    add_attribute(request, type, &value, sizeof(value));
}

static void add_text(struct request *request, unsigned short type, const char *text)
{
    add_attribute(request, type, text, strlen(text) + 1);
}

static struct rtattr *begin_nested(struct request *request, unsigned short type)
{
    struct rtattr attribute = { .rta_type = type, .rta_len = sizeof(attribute) };

    return add_bytes(request, &attribute, sizeof(attribute));
}

static void end_nested(struct request *request, struct rtattr *nested)
{
    nested->rta_len = (unsigned short)((char *)request + request->header.nlmsg_len - (char *)nested);
}

static struct request new_request(unsigned short type, unsigned short flags)
{
    return (struct request){ .header = { .nlmsg_len = sizeof(struct nlmsghdr),
                                         .nlmsg_type = type,
                                         .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags) } };
}

/* The answer to a request without NLM_F_DUMP or NLM_F_ECHO is one message: an error, which may be 0. */
static int ask(int fd, struct request *request)
{
    char answer[ANSWER_BYTES] __attribute__((aligned(8)));
    const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
    const struct nlmsgerr *error = (const struct nlmsgerr *)(header + 1);
    ssize_t n;

    if (send(fd, request, request->header.nlmsg_len, 0) < 0)
        return error_from_errno();
    do
        n = recv(fd, answer, sizeof(answer), 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return error_from_errno();
    if (n < (ssize_t)(sizeof(*header) + sizeof(error->error)) || header->nlmsg_type != NLMSG_ERROR)
        return -EPROTO;
    return error->error;
}

int netlink_open(int *ret_fd)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0)
        return error_from_errno();
    *ret_fd = fd;
    return 0;
}

static void add_end(struct request *request, const struct netlink_end *end)
{
    struct ifinfomsg link = {
        .ifi_index = end->index,
        .ifi_flags = IFF_NOARP,
        .ifi_change = IFF_NOARP,
    };

    add_bytes(request, &link, sizeof(link));
    add_text(request, IFLA_IFNAME, end->name);
    add_attribute(request, IFLA_ADDRESS, hardware_address, sizeof(hardware_address));
    if (end->ns_fd >= 0)
        add_number(request, IFLA_NET_NS_FD, (uint32_t)end->ns_fd);
}

int netlink_pair_new(int fd, const struct netlink_end *here, const struct netlink_end *there)
{
    struct request request = new_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    struct rtattr *info, *data, *peer;

    add_end(&request, here);
    info = begin_nested(&request, IFLA_LINKINFO);
    add_text(&request, IFLA_INFO_KIND, "veth");
    data = begin_nested(&request, IFLA_INFO_DATA);
    peer = begin_nested(&request, VETH_INFO_PEER);
    add_end(&request, there);
    end_nested(&request, peer);
    end_nested(&request, data);
    end_nested(&request, info);
    return ask(fd, &request);
}

int netlink_link_delete(int fd, int index)
{
    struct request request = new_request(RTM_DELLINK, 0);

    add_bytes(&request, &(struct ifinfomsg){ .ifi_index = index }, sizeof(struct ifinfomsg));
    return ask(fd, &request);
}

int netlink_link_up(int fd, int index)
{
    struct request request = new_request(RTM_NEWLINK, 0);

    add_bytes(&request, &(struct ifinfomsg){ .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP },
              sizeof(struct ifinfomsg));
    return ask(fd, &request);
}

int netlink_address_add(int fd, int index, uint32_t address)
{
    struct request request = new_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    const struct ifaddrmsg message = { .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = (unsigned)index };

    add_bytes(&request, &message, sizeof(message));
    add_number(&request, IFA_LOCAL, htonl(address));
    return ask(fd, &request);
}

static struct request new_route(int index, unsigned char bits, unsigned char scope, unsigned flags)
{
    struct request request = new_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    const struct rtmsg message = {
        .rtm_family = AF_INET,
        .rtm_dst_len = bits,
        .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = RTPROT_STATIC,
        .rtm_scope = scope,
        .rtm_type = RTN_UNICAST,
        .rtm_flags = flags,
    };

    add_bytes(&request, &message, sizeof(message));
    add_number(&request, RTA_OIF, (uint32_t)index);
    return request;
}

int netlink_route_add(int fd, int index, uint32_t address)
{
    struct request request = new_route(index, 32, RT_SCOPE_LINK, 0);

    add_number(&request, RTA_DST, htonl(address));
    return ask(fd, &request);
}

int netlink_default_route_add(int fd, int index, uint32_t gateway)
{
    struct request request = new_route(index, 0, RT_SCOPE_UNIVERSE, RTNH_F_ONLINK);

    add_number(&request, RTA_GATEWAY, htonl(gateway));
    return ask(fd, &request);
}
