/* SPDX-License-Identifier: Apache-2.0 */
#include "api/query.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "api/answer.h"
#include "base/cleanup.h"

static bool refuse(struct http_request *request, const char *name, const char *code, const char *message)
{
    char field[64];

    snprintf(field, sizeof(field), "query -> %s", name);
    answer_invalid(request, field, code, message);
    return false;
}

bool query_read_flag(struct http_request *request, const char *name, bool *value)
{
    static const struct {
        const char *text;
        bool value;
    } spellings[] = { { "true", true }, { "1", true }, { "", true }, { "false", false }, { "0", false } };
    const char *text = http_request_query(request, name);

    if (!text)
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(spellings); i++)
        if (strcasecmp(text, spellings[i].text) == 0) {
            *value = spellings[i].value;
            return true;
        }
    return refuse(request, name, "bool_parsing", "Input should be a valid boolean");
}

static bool parse(const char *text, int64_t *ret_value)
{
    char *end;

    if (!isdigit((unsigned char)text[*text == '-']))
        return false;
    errno = 0;
    *ret_value = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0';
}

bool query_read_integer(struct http_request *request, const char *name, int64_t min, int64_t max, int64_t *value)
{
    const char *text = query_text(request, name);
    char message[80];
    int64_t read;

    if (!text)
        return true;
    if (!parse(text, &read))
        return refuse(request, name, "int_parsing",
                      "Input should be a valid integer, unable to parse string as an integer");
    if (read < min || read > max) {
        snprintf(message, sizeof(message), "Input should be %s than or equal to %" PRId64,
                 read < min ? "greater" : "less", read < min ? min : max);
        return refuse(request, name, read < min ? "greater_than_equal" : "less_than_equal", message);
    }
    *value = read;
    return true;
}

const char *query_text(const struct http_request *request, const char *name)
{
    const char *text = http_request_query(request, name);

    return text && *text ? text : NULL;
}
