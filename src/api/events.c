/* SPDX-License-Identifier: Apache-2.0 */
#include "api/events.h"

#include <assert.h>

static_assert((int)LIVE_END == (int)HTTP_SOURCE_END && (int)LIVE_BROKEN == (int)HTTP_SOURCE_CUT, "one says the other");

static ssize_t read_events(void *context, void *to, size_t max)
{
    return live_read(context, to, max);
}

static void close_events(void *context)
{
    live_reader_free(context);
}

static void wake(void *context)
{
    http_stream_wake(context);
}

int events_begin(struct http_request *request, struct live *live, const char *execution_id, uint64_t after_id,
                 bool holds_back)
{
    static const struct http_source source = { read_events, close_events };
    const struct http_header headers[] = {
        { "Cache-Control", "no-store" },
        { "X-Accel-Buffering", "no" }, /* proxies that hold back what they forward do not here */
        { "X-Execution-Id", execution_id },
        { NULL, NULL },
    };
    struct live_reader *reader;
    int r = live_reader_new(live, after_id, holds_back, wake, request, &reader);

    if (r == 0)
        http_stream_pull(request, 200, "text/event-stream", headers, &source, reader);
    return r;
}
