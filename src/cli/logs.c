// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/families.h"
#include "cli/fields.h"
#include "cli/logline.h"
#include "cli/request.h"
#include "cli/url.h"
#include "host/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Both streams go through one buffer, flushed when the other one has a turn and after each piece.
struct sink {
    struct str text;
    int stream, failure;
};

static void flush(struct sink *sink) {
    if (sink->text.len && !sink->failure)
        sink->failure = file_write_all(sink->stream == 2 ? STDERR_FILENO : STDOUT_FILENO,
                                       sink->text.data, sink->text.len);
    str_reset(&sink->text);
}

static void collect(int stream, const char *text, size_t size, void *arg) {
    struct sink *sink = arg;
    if (stream != sink->stream) flush(sink);
    sink->stream = stream;
    str_add_n(&sink->text, text, size);
}

// "2026-11-21T09:44:00Z" as it is, or "10m": how long ago.
static int add_time(const struct cli_call *call, const char *name, struct str *url,
                    struct err *err) {
    const char *text = args_value(call->args, name);
    int64_t time_ns, ago_ns;
    char stamp[TIME_TEXT_SIZE], what[32];
    if (!text) return 0;
    if (time_parse(text, &time_ns) < 0) {
        snprintf(what, sizeof(what), "flag --%s", name);
        if (text_parse_duration(what, text, &ago_ns, NULL) < 0) {
            err_set(err, ERR_INVALID, 0, what, "\"%.60s\" is neither a time nor a duration", text);
            return err_next(err, "write it as 2026-11-21T09:44:00Z or as 10m");
        }
        time_ns = call->output.now_ns - ago_ns;
    }
    url_query(url, name, time_format(time_ns, stamp));
    return 0;
}

int logs_main(const struct cli_call *call, struct err *err) {
    static const char *const times[] = {"since", "until", NULL};
    auto_str struct str url = {0};
    request_path(call, call->args->words.items[0], &url);
    fields_query(call->args, times, &url);
    int r = add_time(call, "since", &url, err);
    if (r >= 0) r = add_time(call, "until", &url, err);
    if (r < 0) return r;
    struct client_request request = {.path = str_text(&url), .accept = "text/plain"};
    struct sink sink = {.stream = 1};
    struct logline log = {.timestamps = args_has(call->args, "timestamps"),
                          .sink = collect,
                          .arg = &sink};
    struct span data;
    r = client_send(call->client, &request, err);
    while (r >= 0 && !sink.failure && (r = client_read(call->client, &data, err)) == 1) {
        logline_push(&log, (const char *)data.data, data.size);
        flush(&sink);
    }
    if (r >= 0) logline_finish(&log);
    flush(&sink);
    str_free(&sink.text);
    if (sink.failure) return err_os(err, -sink.failure, "output", "cannot write the log");
    return r;
}
