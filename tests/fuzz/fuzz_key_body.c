/* SPDX-License-Identifier: Apache-2.0 */
/* The bodies of key administration. What is accepted keeps the bounds of a key and can be told back as a record; what
 * is refused names a field. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/key_body.h"
#include "domain/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_accepted(struct key_body *body, bool creation)
{
    static const char hash[] = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    const struct key_use unused = { 0 };
    size_t length;
    char *text;
    json_t *record;

    require(!creation || body->has_name);
    strcpy(body->key.hash, hash);
    strcpy(body->key.prefix, "sk-01234567");
    if (!body->key.tenant[0])
        strcpy(body->key.tenant, "own");
    if (!body->key.name[0])
        strcpy(body->key.name, "name");
    require(record_encode_key(&body->key, &text, &length) == 0);
    free(text);
    record = key_body_record(&body->key, &unused, false);
    require(record != NULL);
    json_decref(record);
}

static void check_refused(const struct key_body *body)
{
    const json_t *detail;
    size_t index;

    require(json_array_size(body->details) > 0);
    json_array_foreach(body->details, index, detail)
    {
        const char *field = json_string_value(json_object_get(detail, "field"));

        require(field && strncmp(field, "body -> ", 8) == 0);
    }
}

static void check(const json_t *root, bool creation)
{
    struct key_body body = KEY_BODY_INIT;
    int r = key_body_parse(root, creation, &body);

    require(r == 0 || r == KEY_BODY_E_REFUSED);
    if (r == 0)
        check_accepted(&body, creation);
    else
        check_refused(&body);
    key_body_deinit(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *root = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);

    if (json_is_object(root)) {
        check(root, true);
        check(root, false);
    }
    json_decref(root);
    return 0;
}
