/* SPDX-License-Identifier: Apache-2.0 */
/* audit_fixture.h -- an audit log in a directory of its own, and short verbs to write, read, change and verify it. */
#pragma once

#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domain/audit.h"
#include "domain/audit_disk.h"
#include "domain/audit_file.h"
#include "domain/audit_verify.h"

static char place[] = "/tmp/audit-XXXXXX";

static inline void path_of(const char *name, char ret_path[static 128])
{
    snprintf(ret_path, 128, "%s/%s", place, name);
}

static inline void sweep(void)
{
    DIR *dir = opendir(place);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

static inline int make_place(void **state)
{
    (void)state;
    return mkdtemp(place) ? 0 : -1;
}

static inline int remove_place(void **state)
{
    (void)state;
    sweep();
    return rmdir(place);
}

static inline int empty_place(void **state)
{
    (void)state;
    sweep();
    return 0;
}

#define IN_EMPTY_PLACE(test) cmocka_unit_test_setup(test, empty_place)

/* A log in the place: room for all that a test writes, nothing echoed, a ring that a few events fill. */
static inline struct audit_options options_here(void)
{
    return (struct audit_options){
        .directory = place,
        .max_file_bytes = 1 << 20,
        .max_rotated = 3,
        .max_ring_events = 5,
        .max_queue_bytes = 1 << 20,
        .echo_fd = -1,
    };
}

static inline struct audit *start_with(const struct audit_options *options)
{
    struct audit *audit = NULL;

    assert_int_equal(audit_new(options, &audit), 0);
    return audit;
}

static inline struct audit *start(void)
{
    const struct audit_options options = options_here();

    return start_with(&options);
}

static inline void post(struct audit *audit, int number)
{
    struct audit_event event;

    audit_begin(&event, number % 2 ? "odd" : "even", number % 3 ? AUDIT_INFO : AUDIT_WARNING);
    audit_number(&event, "number", number);
    audit_post(audit, &event);
}

static inline void write_events(int first, int n)
{
    struct audit *audit = start();

    for (int i = 0; i < n; i++)
        post(audit, first + i);
    audit_free(audit);
}

/* Ten events in one batch, straight to the file. */
static inline void write_batch(struct audit_file *file)
{
    CLEANUP(buffer_deinit) struct buffer events = BUFFER_INIT(1 << 16);
    CLEANUP(buffer_deinit) struct buffer lines = BUFFER_INIT(1 << 16);
    struct audit_event event;

    for (int i = 0; i < 10; i++) {
        audit_begin(&event, "test", AUDIT_INFO);
        audit_end(&event);
        buffer_append(&events, event.text, event.length);
        buffer_append(&events, "\n", 1);
    }
    assert_int_equal(audit_file_write(file, &events, &lines), 0);
}

/* The log as another process has it open. */
static inline struct audit_file open_another(void)
{
    const struct audit_file_options options = { .directory = place };
    struct audit_file file;

    assert_int_equal(audit_file_open(&file, &options), 0);
    return file;
}

static inline char *read_log(const char *name, size_t *ret_length)
{
    char path[128], *text = calloc(1, 1 << 20);
    FILE *file;

    path_of(name, path);
    file = fopen(path, "re");
    assert_non_null(file);
    *ret_length = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    return text;
}

static inline void write_log(const char *name, const char *text, size_t length)
{
    char path[128];
    FILE *file;

    path_of(name, path);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    fclose(file);
}

/* The nth line (from 0) of text; *ret_length with its newline. */
static inline char *line_of(char *text, int n, size_t *ret_length)
{
    for (; n > 0; n--)
        text = strchr(text, '\n') + 1;
    *ret_length = (size_t)(strchr(text, '\n') + 1 - text);
    return text;
}

/* Takes the lines from the nth (from 0) on away. */
static inline void cut_at_line(char *text, int n, size_t *length)
{
    size_t unused;

    *length = (size_t)(line_of(text, n, &unused) - text);
}

/* The verdict on files in their order, with the head that lies beside them. */
static inline struct audit_verdict verify(const char *const *names)
{
    struct audit_verdict verdict;
    struct audit_chain head;
    char path[128];
    int fd;

    audit_verdict_init(&verdict, NULL);
    for (; *names; names++) {
        FILE *file;

        path_of(*names, path);
        file = fopen(path, "re");
        assert_non_null(file);
        assert_int_equal(audit_verify_file(file, &verdict), 0);
        fclose(file);
    }
    path_of(AUDIT_FILE_HEAD, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(audit_disk_read_head(fd, &head), 0);
    close(fd);
    audit_verify_end(&head, &verdict);
    return verdict;
}

static inline struct audit_verdict verify_log(void)
{
    static const char *const names[] = { AUDIT_FILE_NAME, NULL };

    return verify(names);
}
