/* SPDX-License-Identifier: Apache-2.0 */
/* Names of uploads and outputs. Whatever comes in, what comes out is a safe path, clean already, and harmless in a
 * header. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "domain/filename.h"
#include "domain/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_stored(const char *stored)
{
    char again[FILENAME_SIZE], *disposition = mime_content_disposition(stored);

    require(filename_is_safe_relative(stored));
    require(filename_sanitise(stored, strlen(stored), true, again) == 0 && strcmp(again, stored) == 0);
    require(disposition != NULL);
    for (const char *at = disposition; *at; at++)
        require(*at >= 0x20 && *at < 0x7f);
    free(disposition);
    mime_guess(stored);
}

static void check_upload(struct filename_rules *rules, const char *name, size_t size, bool strict)
{
    char original[FILENAME_SIZE], stored[FILENAME_SIZE], reason[64] = "";
    int r;

    rules->strict = strict;
    r = filename_accept(rules, name, size, original, stored, reason, sizeof(reason));
    require(r == 0 || (r == FILENAME_E_INVALID && reason[0]));
    if (r != 0)
        return;
    require(original[0]);
    check_stored(stored);
    filename_type_allowed(rules, original);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *name = (const char *)data;
    char stored[FILENAME_SIZE], error[256];
    struct filename_rules rules;

    if (size > 8192)
        return 0;
    require(filename_rules_init(&rules, "@extended", "*.exe,x*y?", error, sizeof(error)) == 0);
    check_upload(&rules, name, size, true);
    check_upload(&rules, name, size, false);
    if (filename_sanitise(name, size, false, stored) == 0)
        check_stored(stored);
    filename_rules_deinit(&rules);
    return 0;
}
