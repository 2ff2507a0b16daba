// SPDX-License-Identifier: Apache-2.0
// The machine and its daemon: node, metrics, openapi.
#include "base/mem.h"
#include "cli/families.h"
#include "cli/request.h"
#include "host/file.h"

#include <unistd.h>

static const struct column columns[] = {
    {"Name", "name", COLUMN_TEXT},
    {"Version", "version", COLUMN_TEXT},
    {"API", "api", COLUMN_TEXT},
    {"Kernel", "kernel", COLUMN_TEXT},
    {"Architecture", "architecture", COLUMN_TEXT},
    {"CPUs", "cpus", COLUMN_NUMBER},
    {"Memory", "memory_bytes", COLUMN_SIZE},
    {"Cgroups", "cgroup_mode", COLUMN_TEXT},
    {"Rootless", "rootless", COLUMN_TEXT},
    {"Daemon's process", "pid", COLUMN_NUMBER},
    {"Started", "started_at", COLUMN_AGE},
    {"State", "state_dir", COLUMN_TEXT},
    {"Instances", "instances.total", COLUMN_NUMBER},
    {"Running", "instances.running", COLUMN_NUMBER},
    {"Networks", "networks", COLUMN_TEXT},
    {"Volume drivers", "storage_drivers", COLUMN_TEXT},
};
static const struct listing listing = {columns, array_len(columns), "name"};

static const struct column level_columns[] = {
    {"LEVEL", "level", COLUMN_TEXT},
    {"AVAILABLE", "available", COLUMN_TEXT},
    {"REASON", "reason", COLUMN_TEXT},
};
static const struct listing levels = {level_columns, array_len(level_columns), "level"};

int node_main(const struct cli_call *call, struct err *err) {
    json_t *node = NULL;
    int r = client_get(call->client, call->command->path, &node, err);
    if (r < 0) return r;
    r = output_card(&call->output, &listing, node, err);
    const json_t *list = json_object_get(node, "levels");
    if (r >= 0 && call->output.format == OUTPUT_TABLE && !call->output.quiet &&
        json_array_size(list)) {
        fputc('\n', call->output.file);
        r = output_list(&call->output, &levels, list, err);
    }
    json_decref(node);
    return r;
}

// The body as it comes.
static int print_body(const struct cli_call *call, const char *accept, struct err *err) {
    struct client_request request = {.path = call->command->path, .accept = accept};
    struct span data;
    int r = client_send(call->client, &request, err);
    while (r >= 0 && (r = client_read(call->client, &data, err)) == 1) {
        r = file_write_all(STDOUT_FILENO, data.data, data.size);
        if (r < 0) return err_os(err, -r, "standard output", "cannot write to it");
    }
    return r;
}

int metrics_main(const struct cli_call *call, struct err *err) {
    return print_body(call, "application/openmetrics-text", err);
}

int openapi_main(const struct cli_call *call, struct err *err) {
    json_t *document = NULL;
    int r = client_get(call->client, call->command->path, &document, err);
    if (r >= 0) r = output_object(&call->output, document, err);
    json_decref(document);
    return r;
}
