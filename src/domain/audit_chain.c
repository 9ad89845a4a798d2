/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/audit_chain.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "domain/audit_event.h"

#define HEX_LENGTH  (DIGEST_HEX_SIZE - 1)
#define HASH_BEGIN  ",\"hash\":\""
#define SEQ_BEGIN   ",\"seq\":"
#define SEQ_DIGITS  20
#define TAIL_LENGTH (sizeof(HASH_BEGIN) - 1 + HEX_LENGTH + 2) /* with the quote and the brace */

_Static_assert(AUDIT_EVENT_MAX_BYTES + sizeof(SEQ_BEGIN) + SEQ_DIGITS + TAIL_LENGTH + 1 <= PIPE_BUF,
               "a line goes through a pipe in one piece");

#define OPENING "{\"event_type\":\"audit\",\"severity\":\"info\",\"operation\":\"log_opened\",\"previous_hash\":\""
#define REASON  "\",\"reason\":\""
#define KEPT    "\",\"first_kept\":"

static const char *const reasons[] = {
    [AUDIT_REASON_FIRST] = "first",
    [AUDIT_REASON_ROTATED] = "rotated",
    [AUDIT_REASON_MOVED] = "moved",
    [AUDIT_REASON_LOST] = "lost",
};

void audit_chain_init(struct audit_chain *chain)
{
    chain->seq = 0;
    memset(chain->hash, '0', HEX_LENGTH);
    chain->hash[HEX_LENGTH] = '\0';
}

bool audit_chain_equal(const struct audit_chain *a, const struct audit_chain *b)
{
    return a->seq == b->seq && strcmp(a->hash, b->hash) == 0;
}

static void hash_line(const char before[static DIGEST_HEX_SIZE], const char *body, size_t length,
                      char ret_hash[static DIGEST_HEX_SIZE])
{
    struct digest digest;

    digest_init(&digest);
    digest_update(&digest, before, HEX_LENGTH);
    digest_update(&digest, body, length);
    digest_finish_hex(&digest, ret_hash);
}

int audit_chain_append(struct audit_chain *chain, const char *event, size_t length, struct buffer *lines)
{
    size_t start = lines->length;
    struct audit_chain next = { .seq = chain->seq + 1 };
    char number[sizeof(SEQ_BEGIN) + SEQ_DIGITS];
    int r = buffer_reserve(lines, length + sizeof(number) + TAIL_LENGTH + 2);

    if (r < 0)
        return r;
    snprintf(number, sizeof(number), SEQ_BEGIN "%" PRIu64, next.seq);
    (void)buffer_append(lines, event, length - 1); /* without its brace */
    (void)buffer_append(lines, number, strlen(number));
    hash_line(chain->hash, lines->data + start, lines->length - start, next.hash);
    (void)buffer_append(lines, HASH_BEGIN, sizeof(HASH_BEGIN) - 1);
    (void)buffer_append(lines, next.hash, HEX_LENGTH);
    (void)buffer_append(lines, "\"}\n", 3);
    *chain = next;
    return 0;
}

int audit_chain_append_opening(struct audit_chain *chain, const struct audit_opening *opening, struct buffer *lines)
{
    struct audit_event event;

    audit_begin(&event, "audit", AUDIT_INFO);
    audit_text(&event, "operation", "log_opened");
    audit_text(&event, "previous_hash", chain->hash);
    if (opening->reason != AUDIT_REASON_UNSAID)
        audit_text(&event, "reason", reasons[opening->reason]);
    if (opening->kept_seq != 0)
        audit_number(&event, "first_kept", (int64_t)opening->kept_seq);
    audit_end(&event);
    return audit_chain_append(chain, event.text, event.length, lines);
}

/* Digits and nothing else, no leading zero, up to end. */
static bool read_number(const char *at, const char *end, uint64_t *ret)
{
    uint64_t value = 0;

    if (at == end || *at == '0' || end - at > SEQ_DIGITS - 1)
        return false;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9')
            return false;
        value = value * 10 + (uint64_t)(*at - '0');
    }
    *ret = value;
    return true;
}

int audit_chain_read(const char *line, size_t length, struct audit_chain *ret_chain)
{
    struct audit_chain chain;
    const char *tail, *number;

    if (length < TAIL_LENGTH + sizeof(SEQ_BEGIN) || length > AUDIT_LINE_MAX_BYTES || line[0] != '{')
        return AUDIT_CHAIN_E_FORM;
    tail = line + length - TAIL_LENGTH;
    if (memcmp(tail, HASH_BEGIN, sizeof(HASH_BEGIN) - 1) != 0 || memcmp(line + length - 2, "\"}", 2) != 0)
        return AUDIT_CHAIN_E_FORM;
    memcpy(chain.hash, tail + sizeof(HASH_BEGIN) - 1, HEX_LENGTH);
    chain.hash[HEX_LENGTH] = '\0';
    for (number = tail; number > line && number[-1] >= '0' && number[-1] <= '9';)
        number--;
    if (!digest_is_hex(chain.hash) || !read_number(number, tail, &chain.seq) ||
        (size_t)(number - line) < sizeof(SEQ_BEGIN) - 1 ||
        memcmp(number - (sizeof(SEQ_BEGIN) - 1), SEQ_BEGIN, sizeof(SEQ_BEGIN) - 1) != 0)
        return AUDIT_CHAIN_E_FORM;
    *ret_chain = chain;
    return 0;
}

int audit_chain_check(struct audit_chain *chain, const char *line, size_t length)
{
    struct audit_chain found;
    char hash[DIGEST_HEX_SIZE];
    int r = audit_chain_read(line, length, &found);

    if (r != 0)
        return r;
    if (found.seq != chain->seq + 1)
        return AUDIT_CHAIN_E_SEQ;
    hash_line(chain->hash, line, length - TAIL_LENGTH, hash);
    if (strcmp(hash, found.hash) != 0)
        return AUDIT_CHAIN_E_HASH;
    *chain = found;
    return 0;
}

/* Moves *at behind text if that is what follows. */
static bool skip(const char **at, const char *end, const char *text)
{
    size_t length = strlen(text);

    if ((size_t)(end - *at) < length || memcmp(*at, text, length) != 0)
        return false;
    *at += length;
    return true;
}

/* What may stand behind the hash. */
static void read_reason(const char *at, const char *end, struct audit_opening *opening)
{
    const char *number;

    if (!skip(&at, end, REASON))
        return;
    for (int i = AUDIT_REASON_FIRST; i <= AUDIT_REASON_LOST && opening->reason == AUDIT_REASON_UNSAID; i++)
        if (skip(&at, end, reasons[i]))
            opening->reason = (enum audit_reason)i;
    if (opening->reason == AUDIT_REASON_UNSAID || !skip(&at, end, KEPT))
        return;
    for (number = at; at < end && *at >= '0' && *at <= '9';)
        at++;
    (void)read_number(number, at, &opening->kept_seq);
}

int audit_chain_read_opening(const char *line, size_t length, struct audit_opening *ret_opening)
{
    struct audit_opening opening = { 0 };
    const char *hash = line + sizeof(OPENING) - 1;
    int r = audit_chain_read(line, length, &opening.before);

    if (r != 0)
        return r;
    if (length < sizeof(OPENING) - 1 + HEX_LENGTH + TAIL_LENGTH || memcmp(line, OPENING, sizeof(OPENING) - 1) != 0 ||
        hash[HEX_LENGTH] != '"')
        return AUDIT_CHAIN_E_FORM;
    opening.before.seq--;
    memcpy(opening.before.hash, hash, HEX_LENGTH);
    if (!digest_is_hex(opening.before.hash))
        return AUDIT_CHAIN_E_FORM;
    read_reason(hash + HEX_LENGTH, line + length, &opening);
    *ret_opening = opening;
    return 0;
}
