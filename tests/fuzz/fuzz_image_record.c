// SPDX-License-Identifier: Apache-2.0
// Configurations and records of images; the first byte chooses which. What was taken is written and
// must be taken again.
#include "base/str.h"
#include "execution/container/image/record.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void try_config(const char *text, size_t size) {
    struct image_config config;
    struct err err = {0};
    if (config_parse(text, size, "fuzz", &config, &err) < 0) {
        if (err.kind == ERR_NONE) abort(); // a refusal says why
        return;
    }
    if (config.diff_ids.len > MANIFEST_LAYERS_MAX) abort();
    config_free(&config);
}

static void try_record(const char *text, size_t size) {
    struct image_record record, again;
    if (record_parse(text, size, "fuzz", &record, NULL) < 0) return;
    json_t *json = record_to_json(&record);
    char *line = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!line || record_parse(line, strlen(line), "fuzz", &again, NULL) < 0) abort();
    record_free(&again);
    record_free(&record);
    json_decref(json);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    (data[0] == 'c' ? try_config : try_record)((const char *)data + 1, size - 1);
    return 0;
}
