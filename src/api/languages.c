/* SPDX-License-Identifier: Apache-2.0 */
/* languages.c -- GET /languages (extensions.md X3). */
#include <errno.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "base/cleanup.h"

static json_t *aliases_json(char *const *aliases)
{
    json_t *list = json_array();

    for (size_t i = 0; aliases[i]; i++)
        json_array_append_new(list, json_string(aliases[i]));
    return list;
}

static json_t *language_json(const struct engine *engine, const struct language *language)
{
    json_t *entry =
        json_pack("{s:s, s:s, s:o, s:s?, s:b, s:b}", "code", language->code, "name", language->name, "aliases",
                  aliases_json(language->aliases), "version", language_version(language), "available",
                  language->available, "warm", language_count_warm(language, engine->warm) > 0);

    if (entry && !language->available && language->reason)
        json_object_set_new(entry, "reason", json_string(language->reason));
    return entry;
}

void handle_languages(struct http_request *request)
{
    const struct api *api = http_request_data(request);
    const struct language_table *table = api->engine->languages;
    json_t *list = json_array();

    for (size_t i = 0; i < table->n_languages; i++)
        if (json_array_append_new(list, language_json(api->engine, &table->languages[i])) < 0) {
            json_decref(list);
            answer_unexpected(request, "cannot render the languages", -ENOMEM);
            return;
        }
    http_respond_json(request, 200, list);
}
