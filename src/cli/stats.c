// SPDX-License-Identifier: Apache-2.0
// What instances use: a table that renews itself on a terminal, one JSON document a line in a pipe.
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/families.h"
#include "cli/filter.h"
#include "cli/request.h"
#include "cli/url.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

static const struct column columns[] = {
    {"NAME", "name", COLUMN_TEXT},
    {"CPU %", "cpu_percent", COLUMN_NUMBER},
    {"MEMORY", "memory_bytes", COLUMN_SIZE},
    {"LIMIT", "memory_max_bytes", COLUMN_SIZE},
    {"PIDS", "pids", COLUMN_NUMBER},
    {"READ", "io_read_bytes", COLUMN_SIZE},
    {"WRITTEN", "io_write_bytes", COLUMN_SIZE},
};
static const struct listing listing = {columns, array_len(columns), "name"};

// The names that were given, or those of all that run.
static int targets(const struct cli_call *call, json_t **ret, struct err *err) {
    json_t *names = json_array();
    for (size_t i = 0; i < call->args->words.len; i++)
        json_array_append_new(names, json_string(call->args->words.items[i]));
    *ret = names;
    if (call->args->words.len) return 0;
    auto_str struct str url = {0};
    json_t *answer = NULL, *item;
    size_t i;
    url_path(&url, "/v1/projects/{}/instances?state=running", call->project);
    int r = client_get(call->client, str_text(&url), &answer, err);
    json_array_foreach(json_object_get(answer, "items"), i, item)
        json_array_append(names, json_object_get(item, "name"));
    json_decref(answer);
    return r;
}

// The share of one CPU between two figures, as a member of the later one.
static void add_percent(const json_t *before, json_t *now) {
    int64_t then_ns, now_ns;
    const char *then_text = json_string_value(json_object_get(before, "time"));
    const char *now_text = json_string_value(json_object_get(now, "time"));
    if (!then_text || !now_text || time_parse(then_text, &then_ns) < 0 ||
        time_parse(now_text, &now_ns) < 0 || now_ns <= then_ns)
        return;
    int64_t used = json_integer_value(json_object_get(now, "cpu_usage_ns")) -
                   json_integer_value(json_object_get(before, "cpu_usage_ns"));
    if (used < 0) used = 0; // it was started again
    double percent = (double)used * 100 / (double)(now_ns - then_ns);
    json_object_set_new(now, "cpu_percent", json_real((double)(int64_t)(percent * 10 + 0.5) / 10));
}

// One figure of each; an instance that ended in the meantime is left out when it was not named.
static int sample(const struct cli_call *call, json_t *before, json_t **ret, struct err *err) {
    json_t *names = NULL, *all = json_array(), *name;
    size_t i;
    int r = targets(call, &names, err);
    json_array_foreach(names, i, name) {
        if (r < 0) break;
        auto_str struct str url = {0};
        json_t *stats = NULL;
        url_path(&url, "/v1/projects/{}/instances/{}/stats", call->project,
                 json_string_value(name));
        r = client_get(call->client, str_text(&url), &stats, err);
        bool gone = r < 0 && err && (err->kind == ERR_NOT_FOUND || err->kind == ERR_STATE);
        if (gone && call->args->words.len == 0) {
            err_clear(err);
            r = 0;
            continue;
        }
        if (r < 0) break;
        add_percent(json_object_get(before, json_string_value(name)), stats);
        json_object_set(before, json_string_value(name), stats);
        if (filter_match(call->args, &listing, stats)) json_array_append(all, stats);
        json_decref(stats);
    }
    json_decref(names);
    if (r < 0)
        json_decref(all);
    else
        *ret = all;
    return r;
}

static int show(const struct cli_call *call, const json_t *all, bool first, bool live,
                struct err *err) {
    size_t i;
    json_t *stats;
    if (live) {
        fputs("\x1b[H\x1b[2J", call->output.file);
        return output_list(&call->output, &listing, all, err);
    }
    // A table that nobody looks at while it changes is of no use: lines of JSON instead.
    struct output output = call->output;
    if (output.format == OUTPUT_TABLE) output.format = OUTPUT_JSON;
    json_array_foreach(all, i, stats) {
        int r = output_row(&output, &listing, stats, first && i == 0, err);
        if (r < 0) return r;
    }
    return 0;
}

int stats_main(const struct cli_call *call, struct err *err) {
    int64_t interval_ns = SEC_NS;
    const char *interval = args_value(call->args, "interval");
    int r = filter_check(call->args, &listing, err);
    if (r >= 0 && interval) r = text_parse_duration("flag --interval", interval, &interval_ns, err);
    if (r < 0) return r;
    if (interval_ns < 100 * MSEC_NS) interval_ns = 100 * MSEC_NS;
    bool once = args_has(call->args, "no-stream");
    bool live = call->output.terminal && call->output.format == OUTPUT_TABLE && !call->output.quiet;
    json_t *before = json_object();
    for (bool first = true; r >= 0; first = false) {
        json_t *all = NULL;
        r = sample(call, before, &all, err);
        if (r < 0) break;
        r = once ? output_list(&call->output, &listing, all, err)
                 : show(call, all, first, live, err);
        json_decref(all);
        if (once) break;
        poll(NULL, 0, (int)(interval_ns / MSEC_NS));
    }
    json_decref(before);
    return r;
}
