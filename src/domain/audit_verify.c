/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/audit_verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

static void blame(struct audit_verdict *verdict, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void blame(struct audit_verdict *verdict, const char *format, ...)
{
    va_list args;

    verdict->sound = false;
    va_start(args, format);
    vsnprintf(verdict->problem, sizeof(verdict->problem), format, args);
    va_end(args);
}

void audit_verdict_init(struct audit_verdict *verdict, const char *noted_hash)
{
    *verdict = (struct audit_verdict){ .sound = true, .noted_hash = noted_hash };
    audit_chain_init(&verdict->chain);
}

static void look_for_noted(struct audit_verdict *verdict)
{
    if (verdict->noted_hash && strcmp(verdict->noted_hash, verdict->chain.hash) == 0)
        verdict->noted_seq = verdict->chain.seq;
}

/* Where the chain stood before a file; the first file given may be any of a rotated log. */
static void begin_file(struct audit_verdict *verdict, const char *line, size_t length)
{
    struct audit_opening opening;
    const struct audit_chain *before = &opening.before;
    struct audit_chain zero;

    audit_chain_init(&zero);
    if (audit_chain_read_opening(line, length, &opening) != 0)
        blame(verdict, "line 1: the beginning of the file is missing or was edited");
    else if (before->seq == 0 && strcmp(before->hash, zero.hash) != 0)
        blame(verdict, "line 1: edited");
    else if (verdict->last_seq == 0) {
        verdict->chain = *before;
        verdict->opening = opening;
        look_for_noted(verdict);
    } else if (before->seq != verdict->chain.seq)
        blame(verdict, "line 1: begins with event %" PRIu64 " after event %" PRIu64, before->seq + 1,
              verdict->chain.seq);
    else if (strcmp(before->hash, verdict->chain.hash) != 0)
        blame(verdict, "line 1: does not continue the file before it");
    if (verdict->sound && opening.kept_seq != 0)
        verdict->kept_seq = opening.kept_seq;
}

static void blame_order(struct audit_verdict *verdict, uintmax_t number, const char *line, size_t length)
{
    struct audit_chain found = { 0 };

    (void)audit_chain_read(line, length, &found);
    if (found.seq > verdict->chain.seq + 1)
        blame(verdict, "line %ju: events %" PRIu64 " to %" PRIu64 " are missing", number, verdict->chain.seq + 1,
              found.seq - 1);
    else
        blame(verdict, "line %ju: event %" PRIu64 " is repeated or out of order", number, found.seq);
}

static void check_line(struct audit_verdict *verdict, uintmax_t number, const char *line, size_t length)
{
    if (number == 1)
        begin_file(verdict, line, length);
    if (!verdict->sound)
        return;
    switch (audit_chain_check(&verdict->chain, line, length)) {
    case 0:
        verdict->last_seq = verdict->chain.seq;
        look_for_noted(verdict);
        if (verdict->first_seq == 0)
            verdict->first_seq = verdict->last_seq;
        break;
    case AUDIT_CHAIN_E_SEQ:
        blame_order(verdict, number, line, length);
        break;
    case AUDIT_CHAIN_E_HASH:
        blame(verdict, "line %ju: event %" PRIu64 " was edited, or the one before it", number, verdict->chain.seq + 1);
        break;
    default:
        blame(verdict, "line %ju: is no line of an audit log", number);
    }
}

int audit_verify_file(FILE *file, struct audit_verdict *verdict)
{
    CLEANUP_FREE char *line = malloc(AUDIT_LINE_MAX_BYTES + 1);
    uintmax_t number = 0;

    if (!line)
        return -ENOMEM;
    verdict->end = AUDIT_END_WHOLE;
    while (verdict->sound) {
        size_t length = 0;
        int c;

        while ((c = getc_unlocked(file)) != EOF && c != '\n' && length < AUDIT_LINE_MAX_BYTES)
            line[length++] = (char)c;
        if (c == EOF && length == 0)
            break;
        number++;
        if (c == '\n') {
            check_line(verdict, number, line, length);
            continue;
        }
        verdict->end = c == EOF ? AUDIT_END_TORN : AUDIT_END_WHOLE;
        blame(verdict, "line %ju: cut off, or too long", number);
    }
    if (ferror(file))
        return error_from_errno();
    if (number == 0 && verdict->sound) {
        verdict->end = AUDIT_END_EMPTY;
        blame(verdict, "is empty");
    }
    return 0;
}

void audit_verify_end(const struct audit_chain *head, struct audit_verdict *verdict)
{
    if (verdict->end != AUDIT_END_WHOLE && verdict->last_seq > 0 && head->seq <= verdict->last_seq) {
        verdict->sound = true;
        verdict->problem[0] = '\0';
    }
    if (!verdict->sound)
        return;
    if (head->seq > verdict->chain.seq)
        blame(verdict, "the end is missing: events %" PRIu64 " to %" PRIu64, verdict->chain.seq + 1, head->seq);
    else if (head->seq == verdict->chain.seq && strcmp(head->hash, verdict->chain.hash) != 0)
        blame(verdict, "the last event, %" PRIu64 ", is another one than was written", head->seq);
}

/* What became of the file before, as the first file tells. */
static const char *const absences[] = {
    [AUDIT_REASON_UNSAID] = "the files before are missing",
    [AUDIT_REASON_FIRST] = "the files before are missing",
    [AUDIT_REASON_ROTATED] = "rotated files are missing",
    [AUDIT_REASON_MOVED] = "the file before was moved away",
    [AUDIT_REASON_LOST] = "the file before was emptied, removed or moved away",
};

/* A log of an older version tells neither why a file begins nor what was kept: it is taken for rotated. */
static bool is_explained(enum audit_extent extent, const struct audit_verdict *verdict)
{
    enum audit_reason reason = verdict->opening.reason;
    bool rotated = reason == AUDIT_REASON_ROTATED || reason == AUDIT_REASON_UNSAID;

    if (verdict->first_seq <= 1 || verdict->noted_seq == verdict->first_seq - 1)
        return true;
    switch (extent) {
    case AUDIT_EXTENT_CHOSEN:
        return reason != AUDIT_REASON_LOST;
    case AUDIT_EXTENT_PART:
        return rotated;
    case AUDIT_EXTENT_FULL:
        return verdict->kept_seq == 0 ? rotated : verdict->first_seq <= verdict->kept_seq;
    case AUDIT_EXTENT_ALL:
        break;
    }
    return verdict->first_seq <= verdict->kept_seq;
}

void audit_verify_beginning(enum audit_extent extent, struct audit_verdict *verdict)
{
    if (verdict->sound && !is_explained(extent, verdict))
        blame(verdict, "events 1 to %" PRIu64 " are not here: %s", verdict->first_seq - 1,
              absences[verdict->opening.reason]);
}

void audit_verify_noted(struct audit_verdict *verdict)
{
    if (verdict->sound && verdict->noted_hash && verdict->noted_seq == 0)
        blame(verdict, "no event has the hash that was noted (--last)");
}
