// SPDX-License-Identifier: Apache-2.0
// trine doctor: the findings of trine-doctor for people. The probes are a program of their own, so that the libraries
// that they need cost no other command anything.
#include "base/mem.h"
#include "cli/families.h"
#include "host/process.h"

#define FINDINGS_MAX ((size_t)1 << 20)
#define ERROR_EXIT 6 // the host cannot run containers (as an object in a wrong state)

static const struct column columns[] = {
    {"AREA", "area", COLUMN_TEXT},      {"FEATURE", "name", COLUMN_TEXT},
    {"USABLE", "verdict", COLUMN_TEXT}, {"FOUND", "detail", COLUMN_TEXT},
    {"WHAT HELPS", "fix", COLUMN_TEXT}, {"USED FOR", "use", COLUMN_TEXT},
};

static bool containers_run(const json_t *findings) {
    size_t i;
    json_t *f;
    json_array_foreach((json_t *)findings, i, f) {
        const char *name = json_string_value(json_object_get(f, "name"));
        const char *verdict = json_string_value(json_object_get(f, "verdict"));
        if (name && verdict && strcmp(name, "container") == 0) return strcmp(verdict, "no") != 0;
    }
    return false;
}

int doctor_main(const struct cli_call *call, struct err *err) {
    char path[4096], *text auto_free = NULL;
    if (!process_role_path("trine-doctor", path, sizeof(path))) {
        err_set(err, ERR_UNSUPPORTED, 0, "trine-doctor", "the program is not installed");
        return err_next(err, "install Trine completely, or name its folder in TRINE_LIBEXEC");
    }
    char *argv[] = {path, NULL};
    int code = process_run(argv, FINDINGS_MAX, false, &text, err);
    if (code < 0) return code;
    json_t *findings = json_loads(text, 0, NULL);
    if (code != 0 || !json_is_array(findings)) {
        json_decref(findings);
        return err_set(err, ERR_INTERNAL, 0, "trine-doctor", "ended with %d and no findings", code);
    }
    bool verbose = args_has(call->args, "verbose") || call->output.format != OUTPUT_TABLE;
    struct listing listing = {columns, array_len(columns) - (verbose ? 0 : 1), "name"};
    int r = output_list(&call->output, &listing, findings, err);
    bool good = containers_run(findings);
    json_decref(findings);
    return r < 0 ? r : good ? 0 : ERROR_EXIT;
}
