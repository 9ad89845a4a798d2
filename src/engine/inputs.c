/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/inputs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "domain/filename.h"

static int add(struct inputs *inputs, size_t *capacity, const struct input *input)
{
    if (inputs->n_items == *capacity) {
        size_t more = *capacity ? *capacity * 2 : 8;
        struct input *items = reallocarray(inputs->items, more, sizeof(*items));

        if (!items)
            return -ENOMEM;
        inputs->items = items;
        *capacity = more;
    }
    inputs->items[inputs->n_items++] = *input;
    return 0;
}

/* A reference to a file of another session gives this one an alias (10.6.5). */
static int resolve_reference(struct engine *engine, const struct execution_request *request, const char *session_id,
                             const struct execution_file *reference, struct inputs *inputs, size_t *capacity)
{
    struct input input = { .group = INPUT_EXPLICIT, .reference = reference };
    int r = file_resolve(engine->kv, request->tenant, reference->storage_session_id, reference->id, reference->name,
                         &input.record);

    if (r == FILE_E_NOT_FOUND) {
        log_warning("execution %s: a referenced file is unknown and is skipped", request->execution_id);
        return 0;
    }
    if (r != 0)
        return r < 0 ? r : -EIO;
    r = add(inputs, capacity, &input);
    if (r == 0 && strcmp(input.record.session_id, session_id) != 0)
        r = file_alias(engine->kv, session_id, &input.record);
    return r > 0 ? 0 : r; /* the source may vanish meanwhile; then there is nothing to stand for */
}

static int add_session_files(struct engine *engine, const struct execution_request *request, const char *session_id,
                             struct inputs *inputs, size_t *capacity)
{
    CLEANUP_FREE struct file_record *records = NULL;
    size_t n = 0;
    int r = file_list(engine->kv, request->tenant, session_id, &records, &n);

    for (size_t i = 0; i < n && r == 0; i++) {
        struct input input = {
            .record = records[i],
            .group = records[i].origin == FILE_ALIAS ? INPUT_ALIAS : INPUT_NATIVE,
        };

        r = add(inputs, capacity, &input);
    }
    return r;
}

static int by_precedence(const void *a, const void *b)
{
    const struct input *x = a, *y = b;

    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->record.created_ms != y->record.created_ms)
        return x->record.created_ms > y->record.created_ms ? -1 : 1;
    return (x->record.sequence < y->record.sequence) - (x->record.sequence > y->record.sequence);
}

int inputs_resolve(struct engine *engine, const struct execution_request *request, const char *session_id,
                   struct inputs *inputs)
{
    size_t capacity = 0;
    int r = 0;

    for (size_t i = 0; i < request->n_files && r == 0; i++)
        r = resolve_reference(engine, request, session_id, &request->files[i], inputs, &capacity);
    if (r == 0)
        r = add_session_files(engine, request, session_id, inputs, &capacity);
    if (r == 0 && inputs->n_items > 1)
        qsort(inputs->items, inputs->n_items, sizeof(*inputs->items), by_precedence);
    return r;
}

/* A reference and the alias it left in the session are one file to the program, so one line serves both. */
static int note_lost(struct inputs *inputs, const struct input *lost)
{
    const char *name = lost->record.name;
    char line[FILE_NAME_SIZE + 64];
    int n, r;

    for (const struct input *earlier = inputs->items; earlier < lost; earlier++)
        if (!earlier->mounted && strcmp(earlier->record.name, name) == 0)
            return 0;
    n = snprintf(line, sizeof(line), "[sandbox] input file unavailable: %s\n", name);
    r = buffer_append(&inputs->notes, line, (size_t)n);
    return r == -E2BIG ? 0 : r;
}

/* A client that merges files by name goes on to send the reference to an edited file beside the one to its edition,
 * which is what is mounted then. Another file whose name is stored alike is none of its business. */
static bool is_there(struct inputs *inputs, const struct input *input)
{
    const struct input *mounted = input->mounted ? input : inputs_find(inputs, input->record.name);

    return mounted && strcmp(file_root(&mounted->record), file_root(&input->record)) == 0;
}

/* The name under which the client knows a file may differ from the stored one (10.6.3). */
static int link_requested_name(struct inputs *inputs, struct input *input, struct workdir *workdir)
{
    const char *name = input->reference ? input->reference->name : "";
    int r;

    if (strcmp(name, input->record.name) == 0 || !filename_is_safe_relative(name) || !is_there(inputs, input))
        return 0;
    r = workdir_symlink(workdir, name, input->record.name);
    input->linked = r == 0;
    return r > 0 || r == -ENAMETOOLONG ? 0 : r;
}

int inputs_mount(struct engine *engine, const struct execution_request *request, struct inputs *inputs,
                 struct workdir *workdir)
{
    int r = 0;

    for (size_t i = 0; i < inputs->n_items && r >= 0; i++) {
        struct input *input = &inputs->items[i];

        r = workdir_link(workdir, request->execution_id, engine->blobs, input->record.blob, input->record.name);
        input->mounted = r == 0;
        if (r == WORKDIR_E_LOST)
            r = note_lost(inputs, input);
        else if (r == -ENAMETOOLONG)
            r = 0;
    }
    for (size_t i = 0; i < inputs->n_items && r >= 0; i++)
        r = link_requested_name(inputs, &inputs->items[i], workdir);
    return r < 0 ? r : 0;
}

struct input *inputs_find(struct inputs *inputs, const char *path)
{
    for (size_t i = 0; i < inputs->n_items; i++)
        if (inputs->items[i].mounted && strcmp(inputs->items[i].record.name, path) == 0)
            return &inputs->items[i];
    return NULL;
}

static bool lies_below(const char *path, const char *directory, size_t length)
{
    return strncmp(path, directory, length) == 0 && path[length] == '/';
}

bool inputs_below(const struct inputs *inputs, const char *directory, size_t length)
{
    for (size_t i = 0; i < inputs->n_items; i++)
        if (inputs->items[i].mounted && lies_below(inputs->items[i].record.name, directory, length))
            return true;
    return false;
}

void inputs_cover(struct inputs *inputs, const char *path)
{
    size_t length = strlen(path);

    for (size_t i = 0; i < inputs->n_items; i++) {
        struct input *input = &inputs->items[i];

        if (strcmp(input->record.name, path) == 0 || lies_below(input->record.name, path, length))
            input->covered = true;
    }
}

void inputs_deinit(struct inputs *inputs)
{
    free(inputs->items);
    buffer_deinit(&inputs->notes);
    *inputs = INPUTS_INIT;
}
