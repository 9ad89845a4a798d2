/* SPDX-License-Identifier: Apache-2.0 */
/* An audit log that anybody may have changed. Lines that the chain takes for its own are its own: written again from
 * their events they come out the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/audit_event.h"
#include "domain/audit_verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_file(const uint8_t *data, size_t size)
{
    struct audit_verdict verdict;
    FILE *file = size ? fmemopen((void *)data, size, "r") : NULL;

    if (!file)
        return;
    audit_verdict_init(&verdict, NULL);
    require(audit_verify_file(file, &verdict) == 0);
    require(verdict.sound == (verdict.problem[0] == '\0'));
    require(verdict.first_seq <= verdict.last_seq);
    fclose(file);
}

/* Whatever bytes a client chooses, they stay inside of their value. */
static void check_event(const uint8_t *data, size_t size)
{
    struct buffer lines = BUFFER_INIT(AUDIT_LINE_MAX_BYTES);
    struct audit_event event;
    struct audit_chain chain, again;
    char *text = strndup((const char *)data, size);

    require(text != NULL);
    audit_begin(&event, "fuzz", AUDIT_INFO);
    audit_text(&event, "value", text);
    audit_text(&event, "again", text);
    audit_end(&event);
    require(event.length < sizeof(event.text) && !memchr(event.text, '\n', event.length));
    audit_chain_init(&chain);
    again = chain;
    require(audit_chain_append(&chain, event.text, event.length, &lines) == 0);
    require(audit_chain_check(&again, lines.data, lines.length - 1) == 0);
    require(strcmp(chain.hash, again.hash) == 0);
    buffer_deinit(&lines);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_file(data, size);
    check_event(data, size);
    return 0;
}
