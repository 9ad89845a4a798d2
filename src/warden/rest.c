/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/rest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "wire/packet.h"
#include "wire/zygote.h"

/* A program that has died where it stood, or does not come back, costs so long; then the run begins in another cell. */
#define TAKE_TIMEOUT_MS 5000

int rest_heard(int rest_fd, bool *ret_unsaved)
{
    struct zygote_copy_ready ready = { 0 };
    int fds[PACKET_FDS_MAX];
    size_t n_fds = 0;
    ssize_t n = packet_receive(rest_fd, &ready, sizeof(ready), MSG_DONTWAIT, fds, &n_fds);

    for (size_t i = 0; i < n_fds; i++)
        close(fds[i]);
    *ret_unsaved = ready.unsaved != 0;
    if (n < 0)
        return (int)n;
    return n == 0 ? -EPIPE : n == sizeof(ready) ? 0 : -EBADMSG;
}

/* A program that said more than it was asked could answer before it has taken anything, run after run, until what it
 * never took filled the socket and the keeper waited in it for ever. */
static int check_quiet(int rest_fd)
{
    struct pollfd p = { .fd = rest_fd, .events = POLLIN };
    int untaken_bytes;

    if (ioctl(rest_fd, SIOCOUTQ, &untaken_bytes) < 0)
        return error_from_errno();
    return untaken_bytes != 0 || poll(&p, 1, 0) != 0 ? -EBADMSG : 0;
}

static int check_alone(const struct cgroup_slot *cgroup)
{
    int n = cgroup_slot_resting(cgroup);

    return n == 1 ? 0 : n < 0 ? n : -EBUSY;
}

int rest_stop(int rest_fd, struct cgroup_slot *cgroup)
{
    int r = cgroup_slot_rest(cgroup, true);

    if (r < 0)
        return r;
    r = check_alone(cgroup);
    if (r == 0)
        r = check_quiet(rest_fd);
    if (r < 0)
        (void)cgroup_slot_rest(cgroup, false);
    return r;
}

/* A device of the host's would be one file for all cells; the keeper's root has the one that the cell sees
 * (cell/cell.c). */
static int own_null_device(const int *fds, int *ret_fd)
{
    struct stat st;

    if (fstat(fds[ZYGOTE_START_STDIN], &st) < 0)
        return error_from_errno();
    if (!S_ISCHR(st.st_mode))
        return 0;
    *ret_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return *ret_fd < 0 ? error_from_errno() : 0;
}

static int await_taken(int rest_fd)
{
    struct pollfd p = { .fd = rest_fd, .events = POLLIN };
    bool unsaved;

    return poll(&p, 1, TAKE_TIMEOUT_MS) > 0 ? rest_heard(rest_fd, &unsaved) : -ETIMEDOUT;
}

int rest_go_on(int rest_fd, struct cgroup_slot *cgroup, const int *fds, uint64_t file_bytes_max)
{
    struct zygote_start start = { .file_bytes_max = file_bytes_max, .rests = 1 };
    int sent[ZYGOTE_START_FDS], r;
    CLEANUP_CLOSE int null_fd = -1;

    memcpy(sent, fds, sizeof(sent));
    r = own_null_device(fds, &null_fd);
    if (null_fd >= 0)
        sent[ZYGOTE_START_STDIN] = null_fd;
    if (r == 0)
        r = packet_send(rest_fd, &start, sizeof(start), sent, ZYGOTE_START_FDS);
    if (r == 0)
        r = cgroup_slot_rest(cgroup, false);
    return r ? r : await_taken(rest_fd);
}

int rest_save(int rest_fd, struct cgroup_slot *cgroup)
{
    struct zygote_start start = { .saves = 1 };
    int r = packet_send(rest_fd, &start, sizeof(start), NULL, 0);

    return r ? r : cgroup_slot_rest(cgroup, false);
}

void rest_end(int *rest_fd)
{
    if (*rest_fd >= 0)
        (void)shutdown(*rest_fd, SHUT_RDWR); /* the cell's init holds the same end */
    cleanup_close_fd(rest_fd);
    *rest_fd = -1;
}
