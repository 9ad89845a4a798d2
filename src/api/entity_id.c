/* SPDX-License-Identifier: Apache-2.0 */
#include "api/entity_id.h"

#include <string.h>
#include <unistr.h>

#include "domain/session.h"

#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

_Static_assert(ENTITY_ID_SIZE - 1 == 40, "the message says so");

const char *entity_id_check(const char *text, const char **ret_message)
{
    if (u8_mbsnlen((const uint8_t *)text, strlen(text)) > ENTITY_ID_SIZE - 1) {
        *ret_message = "String should have at most 40 characters";
        return "string_too_long";
    }
    if (text[strspn(text, ALPHABET)]) {
        *ret_message = "String should match pattern '^[A-Za-z0-9_-]+$'";
        return "string_pattern_mismatch";
    }
    return NULL;
}
