/* SPDX-License-Identifier: Apache-2.0 */
/* A .env file, from bytes to checked settings. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "main/config/config.h"
#include "main/config/dotenv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct collected {
    char *records[64];
    size_t n;
};

static int collect(void *context, const char *name, const char *value)
{
    struct collected *collected = context;
    char *record = NULL;

    assert(*name && !strchr(name, '=') && !strchr(name, ' '));
    if (collected->n + 1 == ARRAY_SIZE(collected->records))
        return 0;
    if (asprintf(&record, "%s=%s", name, value) < 0)
        return -ENOMEM;
    collected->records[collected->n++] = record;
    return 0;
}

/* Whatever a file says, the settings are either inside their ranges or refused with a reason. */
static void load(struct collected *collected)
{
    CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
    CLEANUP(config_deinit) struct config config = { 0 };
    int r = config_load(&config, collected->records, NULL, &problems);

    assert(r == 0 || r == CONFIG_E_INVALID);
    assert(r == 0 || problems.length > 0);
    assert(config.api_port >= 1 && config.api_port <= 65535);
    assert(config.max_cpus >= 0.1 && config.max_cpus <= 64);
    assert(config.rate_limit_exec.count == 0 || config.rate_limit_exec.seconds > 0);
    for (int i = 0; i < CONFIG_COUNT; i++)
        assert(config.texts[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct collected collected = { 0 };
    struct dotenv_error error = { 0 };
    int r = dotenv_parse((const char *)data, size, collect, &collected, &error);

    assert(r == 0 || (r == DOTENV_E_SYNTAX && error.line > 0 && error.reason));
    load(&collected);
    for (size_t i = 0; i < collected.n; i++)
        free(collected.records[i]);
    return 0;
}
