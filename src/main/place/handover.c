/* SPDX-License-Identifier: Apache-2.0 */
#include "main/place/handover.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"

#define TLS_FILE_MAX_BYTES 1048576
#define SEALED_MAX_BYTES   (8 << 20)

/* The records beside the variables; lower case, so that they can never be one. */
static const struct {
    const char *name;
    size_t offset;
    enum config_id file;
} tls_records[] = {
    { "tls_certificate", offsetof(struct handover, tls_certificate), CONFIG_SSL_CERT_FILE },
    { "tls_key", offsetof(struct handover, tls_key), CONFIG_SSL_KEY_FILE },
    { "tls_client_ca", offsetof(struct handover, tls_client_ca), CONFIG_SSL_CA_CERTS },
};

static char **record_field(const struct handover *handover, size_t row)
{
    return (char **)((char *)handover + tls_records[row].offset);
}

void handover_wipe_tls(struct handover *handover)
{
    for (size_t i = 0; i < ARRAY_SIZE(tls_records); i++) {
        char **text = record_field(handover, i);

        if (*text)
            explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}

void handover_deinit(struct handover *handover)
{
    config_deinit(&handover->config);
    handover_wipe_tls(handover);
}

int handover_read_text(int fd, char **ret_text)
{
    CLEANUP_FREE char *text = NULL;
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) < 0)
        return error_from_errno();
    if (!S_ISREG(st.st_mode) || st.st_size == 0 || st.st_size > TLS_FILE_MAX_BYTES)
        return -EINVAL;
    text = calloc(1, (size_t)st.st_size + 1);
    if (!text)
        return -ENOMEM;
    n = fd_read_full(fd, text, (size_t)st.st_size);
    if (n < 0)
        return (int)n;
    if (strlen(text) != (size_t)n)
        return -EINVAL;
    *ret_text = TAKE_PTR(text);
    return 0;
}

static int read_text_file(const char *path, char **ret_text)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    return fd < 0 ? error_from_errno() : handover_read_text(fd, ret_text);
}

static bool tls_wanted(const struct config *config)
{
    if (config->enable_https != CONFIG_UNSET)
        return config->enable_https == CONFIG_YES;
    return access(config->ssl_cert_file, F_OK) == 0 && access(config->ssl_key_file, F_OK) == 0;
}

static void add_problem(struct buffer *problems, const char *name, const char *path, int error)
{
    CLEANUP_FREE char *line = NULL;
    int length = asprintf(&line, "%s=%s: %s; TLS needs this file (ENABLE_HTTPS=false turns TLS off)\n", name, path,
                          error == -EINVAL ? "not a PEM file of at most 1 MiB" : strerror(-error));

    if (length > 0)
        buffer_append(problems, line, (size_t)length);
}

int handover_read_tls(struct handover *handover, struct buffer *problems)
{
    bool refused = false;

    if (!tls_wanted(&handover->config))
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(tls_records); i++) {
        const char *path = handover->config.texts[tls_records[i].file];
        int r;

        if (*path == '\0')
            continue;
        r = read_text_file(path, record_field(handover, i));
        if (r == -ENOMEM)
            return r;
        if (r < 0)
            add_problem(problems, config_param(tls_records[i].file)->name, path, r);
        refused |= r < 0;
    }
    return refused ? CONFIG_E_INVALID : 0;
}

static int add_record(struct buffer *records, const char *name, const char *value)
{
    int r = buffer_append(records, name, strlen(name));

    if (r == 0)
        r = buffer_append(records, "=", 1);
    if (r == 0)
        r = buffer_append(records, value, strlen(value) + 1);
    return r;
}

int handover_seal(const struct handover *handover, int *ret_fd)
{
    CLEANUP(buffer_deinit) struct buffer records = BUFFER_INIT(SEALED_MAX_BYTES);
    int r = 0;

    for (size_t i = 0; r == 0 && i < CONFIG_COUNT; i++)
        r = add_record(&records, config_param((enum config_id)i)->name, handover->config.texts[i]);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(tls_records); i++)
        if (*record_field(handover, i))
            r = add_record(&records, tls_records[i].name, *record_field(handover, i));
    if (r == 0)
        r = fd_sealed_memory("codecell-config", records.data, records.length, ret_fd);
    if (records.data)
        explicit_bzero(records.data, records.length);
    return r;
}

/* Fills fields from the records that are not variables. */
static int take_tls_record(struct handover *handover, const char *record)
{
    for (size_t i = 0; i < ARRAY_SIZE(tls_records); i++) {
        size_t length = strlen(tls_records[i].name);

        if (strncmp(record, tls_records[i].name, length) != 0 || record[length] != '=' || *record_field(handover, i))
            continue;
        *record_field(handover, i) = strdup(record + length + 1);
        if (!*record_field(handover, i))
            return -ENOMEM;
    }
    return 0;
}

static int unpack(struct handover *handover, char *bytes, size_t size, struct buffer *problems)
{
    char *records[CONFIG_COUNT + ARRAY_SIZE(tls_records) + 1];
    size_t n = 0;

    for (char *p = bytes; p < bytes + size; p += strlen(p) + 1) {
        int r = take_tls_record(handover, p);

        if (r < 0)
            return r;
        if (n + 1 == ARRAY_SIZE(records))
            return -EBADMSG;
        records[n++] = p;
    }
    records[n] = NULL;
    return config_load(&handover->config, records, NULL, problems);
}

int handover_open(struct handover *handover, int fd, struct buffer *problems)
{
    struct stat st;
    char *bytes;
    int r;

    *handover = (struct handover){ 0 };
    if (fstat(fd, &st) < 0)
        return error_from_errno();
    if (st.st_size <= 0 || st.st_size > SEALED_MAX_BYTES)
        return -EBADMSG;
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return error_from_errno();
    r = bytes[st.st_size - 1] == '\0' ? unpack(handover, bytes, (size_t)st.st_size, problems) : -EBADMSG;
    munmap(bytes, (size_t)st.st_size);
    return r;
}
