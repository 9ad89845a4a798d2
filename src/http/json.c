/* SPDX-License-Identifier: Apache-2.0 */
/* JSON bodies. The bytes are looked over before the parser builds a tree of them: the parser recurses once a level and
 * a value of two bytes costs it a hundred, so depth and number of values are bounded first. */
#include <stdbool.h>
#include <string.h>

#include "http/http.h"
#include "http/json_foreign.h"

#define DEPTH_MAX  200
#define VALUES_MAX 500000

enum verdict {
    FITS,
    TOO_DEEP,
    TOO_MANY,
};

static const char *skip_string(const char *p, const char *end)
{
    for (; p < end && *p != '"'; p++)
        if (*p == '\\')
            p++;
    return p;
}

/* Counts brackets and separators outside strings; whether the text is JSON is the parser's business. */
static enum verdict look_over(const char *p, const char *end)
{
    unsigned depth = 0, values = 0;

    for (; p < end; p++) {
        switch (*p) {
        case '"':
            p = skip_string(p + 1, end);
            continue;
        case '[':
        case '{':
            if (++depth > DEPTH_MAX)
                return TOO_DEEP;
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            continue;
        case ',':
            break;
        default:
            continue;
        }
        if (++values > VALUES_MAX)
            return TOO_MANY;
    }
    return FITS;
}

static void refuse(struct http_request *request, const char *message, const char *code)
{
    struct http_detail detail = { "body", message, code };

    http_respond_error(request, 422, "Request validation failed", &detail, 1, NULL);
}

static const char *skip_bom(const char *text, size_t *length)
{
    if (*length < 3 || memcmp(text, "\xef\xbb\xbf", 3) != 0)
        return text;
    *length -= 3;
    return text + 3;
}

json_t *http_json_object_of(struct http_request *request, const char *text, size_t length)
{
    static const char *const excuses[] = {
        [TOO_DEEP] = "JSON is nested too deeply", [TOO_MANY] = "JSON has too many values"
    };
    enum verdict verdict;
    json_t *json;

    text = skip_bom(text, &length);
    if (length == 0) {
        refuse(request, "Field required", "missing");
        return NULL;
    }
    verdict = look_over(text, text + length);
    if (verdict != FITS) {
        refuse(request, excuses[verdict], "json_invalid");
        return NULL;
    }
    json = json_foreign_parse(text, length);
    if (!json)
        refuse(request, "JSON decode error", "json_invalid");
    else if (!json_is_object(json)) {
        refuse(request, "Input should be a valid dictionary or object", "model_attributes_type");
        json_decref(json);
        json = NULL;
    }
    return json;
}

json_t *http_json_object(struct http_request *request)
{
    size_t length;
    const char *text = http_request_body(request, &length);

    return http_json_object_of(request, text, length);
}
