/* SPDX-License-Identifier: Apache-2.0 */
/* warden_api.c -- the warden and its unprivileged children: the api, what it asks and is told, and the proxy. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "warden/internal.h"
#include "warden/run_fds.h"

#define API_START_US 120000000 /* at most, until the first one serves */

static int start_api(struct warden *w)
{
    int r = api_process_start(&w->api, w->options->api_program);

    w->greeted = w->log_renewed = false;
    return r ? r : warden_watch(w, w->api.channel_fd, WATCH_API);
}

int api_open(struct warden *w)
{
    w->api = (struct api_process){
        .pid = -1,
        .channel_fd = -1,
        .config_fd = (int)w->options->config_fd,
        .program_fd = open(w->options->api_program, O_RDONLY | O_CLOEXEC),
        .uid = (uid_t)w->options->api_uid,
    };
    w->api_first_us = clock_monotonic_us();
    return w->api.program_fd < 0 ? error_from_errno() : start_api(w);
}

int proxy_start(struct warden *w)
{
    const struct warden_options *o = w->options;

    if (!o->proxy_hosts)
        return 0;
    w->proxy.program_fd = w->api.program_fd;
    w->proxy.uid = (uid_t)o->proxy_uid;
    w->proxy.program = o->api_program;
    w->proxy.hosts = o->proxy_hosts;
    w->proxy.log_format = o->log_format;
    w->proxy.log_level = o->log_level;
    w->proxy.slots = w->n_slots;
    return proxy_process_start(&w->proxy);
}

/* One that dies at once must not keep the warden busy. */
void proxy_restart(struct warden *w)
{
    if (w->stopping || !w->options->proxy_hosts || w->proxy.pid > 0 ||
        clock_monotonic_us() - w->proxy.started_us < RESTART_PAUSE_US)
        return;
    if (proxy_start(w) < 0)
        log_error("the proxy could not be started, trying again");
}

static void send_log(struct warden *w)
{
    const struct wire_log message = { .type = WIRE_LOG };
    const int fd = STDOUT_FILENO;
    int r = wire_send_within(w->api.channel_fd, &message, &fd, 0);

    if (r != 0)
        log_error("the api goes on in its old log: %s", r < 0 ? strerror(-r) : "it is gone");
}

void api_renew_log(struct warden *w)
{
    w->log_renewed = true;
    if (w->greeted && w->api.channel_fd >= 0)
        send_log(w);
}

static int open_regular(const char *path)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return error_from_errno();
    return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EINVAL;
}

/* The paths are the administrator's; what is in the files only the api looks at. */
static void send_tls(struct warden *w)
{
    const struct wire_tls message = { .type = WIRE_TLS };
    CLEANUP_CLOSE int certificate = open_regular(w->options->tls_certificate);
    CLEANUP_CLOSE int key = open_regular(w->options->tls_key);
    const int fds[WIRE_TLS_FDS] = { [WIRE_TLS_CERTIFICATE] = certificate, [WIRE_TLS_KEY] = key };
    int r = certificate < 0 ? certificate : key;

    if (r >= 0) {
        r = wire_send_within(w->api.channel_fd, &message, fds, 0); /* a full socket may not hold up the loop */
    }
    if (r < 0)
        log_error("%s: %s; the certificate stays as it is",
                  certificate < 0 ? w->options->tls_certificate : w->options->tls_key, strerror(-r));
}

void api_renew_tls(struct warden *w)
{
    if (!w->options->tls_certificate)
        return;
    w->tls_renewed = true;
    if (w->greeted && w->api.channel_fd >= 0)
        send_tls(w);
}

void api_greet(struct warden *w)
{
    struct wire_hello hello = { .type = WIRE_HELLO, .slots = (uint32_t)w->options->slots };

    if (w->greeted || w->api.channel_fd < 0)
        return;
    w->greeted = wire_send_within(w->api.channel_fd, &hello, &w->warm_fd, 0) == 0;
    if (w->greeted && w->log_renewed)
        send_log(w);
    if (w->greeted && w->tls_renewed)
        send_tls(w);
}

/* One that lets go of its channel, which ours does by its end, or sends what is not in the table or comes with other
 * descriptors than ours, is broken or taken over: it is started afresh. */
static void end_api(struct warden *w, int r)
{
    if (r != WIRE_E_CLOSED)
        log_error("the api sent an invalid message and is ended");
    kill(w->api.pid, SIGKILL);
    cleanup_close_fd(&w->api.channel_fd);
    w->api.channel_fd = -1;
}

void api_on_message(struct warden *w)
{
    struct waiting_run *place = &w->waiting_ring[(w->waiting_head + w->waiting_count) % (unsigned)w->options->slots];
    union wire_message message;
    int fds[WIRE_FDS_MAX];
    int r = wire_receive(w->api.channel_fd, WIRE_FROM_API, MSG_DONTWAIT, &message, fds);

    if (r == -EAGAIN)
        return;
    if (r != 0 || message.type != WIRE_RUN || !run_fds_are_valid(&message.run, fds)) {
        wire_close_fds(fds);
        end_api(w, r);
        return;
    }
    w->api_ran = true;
    if (message.run.continues[0]) {
        struct waiting_run run = { .request = message.run };

        memcpy(run.fds, fds, sizeof(run.fds));
        keepers_continue(w, &run);
        return;
    }
    if (w->waiting_count >= w->options->slots) {
        keepers_refuse(fds, EBUSY);
        return;
    }
    place->request = message.run;
    memcpy(place->fds, fds, sizeof(place->fds));
    w->waiting_count++;
    keepers_dispatch(w);
}

static void forget_waiting(struct warden *w)
{
    for (; w->waiting_count > 0; w->waiting_count--) {
        wire_close_fds(w->waiting_ring[w->waiting_head].fds);
        w->waiting_head = (w->waiting_head + 1) % (unsigned)w->options->slots;
    }
}

/* Whoever hangs, or does not want to, must not keep the server from ending. */
void api_tend(struct warden *w)
{
    if (!w->stop_by_us || w->api.pid <= 0 || clock_monotonic_us() < w->stop_by_us)
        return;
    log_error("the api does not stop and is ended");
    kill(w->api.pid, SIGKILL);
}

/* Exit status 78 (EX_CONFIG) says that starting it again would end the same way; with 126 and 127 it never began. Once
 * it has served, the status may be the word of one that was taken over, at which no server ends, nor stays ended. */
static bool ends_for_good(const struct warden *w, int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

    if (w->api_ran || clock_monotonic_us() - w->api_first_us > API_START_US)
        return false;
    if (code >= 126)
        log_error("the api cannot be started as user %u: its process ended before its program began (`codecell doctor` "
                  "tells what this host lacks)",
                  w->api.uid);
    return code == 78 || code >= 126;
}

void api_on_death(struct warden *w, int status)
{
    w->api.pid = -1;
    cleanup_close_fd(&w->api.channel_fd);
    w->api.channel_fd = -1;
    forget_waiting(w);
    keepers_orphan(w);
    if (w->stopping || ends_for_good(w, status)) {
        w->status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        w->finished = true;
        return;
    }
    /* One that was told to stop, and by whom: a daemon that watches memory, or a kill by name. */
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        log_error("the api was told to stop, though not the server, and is started again");
    else
        log_error("the api died (status %d) and is started again", status);
    usleep(RESTART_PAUSE_US);
    if (start_api(w) < 0) {
        w->status = 1;
        w->finished = true;
        return;
    }
    for (unsigned i = 0; i < w->n_started; i++)
        if (w->keepers[i].ready)
            api_greet(w);
}
