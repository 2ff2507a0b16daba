// SPDX-License-Identifier: Apache-2.0
// What a client of the API sends. The first byte chooses: 'q' a method, a space and a path with its
// query; else a JSON body for the type that the byte numbers.
#include "api/validate.h"
#include "base/text.h"
#include "cloud/http/http_int.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static const char *const TYPES[] = {"InstanceCreate", "InstancePatch", "InstanceStop",
                                    "ProjectCreate",  "ProjectPatch",  "VolumeCreate",
                                    "ImageBuild",     "Operation",     "Event"};

static void check_refusal(const struct err *err) {
    if (err->kind == ERR_NONE || !err->cause[0] || !text_is_utf8(err->cause, strlen(err->cause)))
        abort(); // a refusal says why
}

static void try_body(const char *type, const char *text, size_t size) {
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    struct err err = {0};
    if (!json) return;
    int r = api_validate(api_schema_by_name(type), json, &err);
    if (r < 0) check_refusal(&err);
    if (r == 0 && !json_is_object(json)) abort();
    json_decref(json);
}

static void try_request(const char *text, size_t size) {
    struct arena *arena = arena_new(HTTP_ARENA_MAX);
    char *line = arena_strndup(arena, text, size);
    char *url = strchr(line, ' ');
    struct http_request req = {.arena = arena, .op = API_OP_COUNT};
    struct err err = {0};
    int status = 0;
    if (url) {
        *url++ = 0;
        req.url = url;
        if (route_request(&req, line, &status, &err) < 0) {
            check_refusal(&err);
        } else {
            for (size_t i = 0; i < req.operation->n_path_parameters; i++)
                if (!http_path(&req, req.operation->path_parameters[i].name)) abort();
            for (size_t i = 0; i < req.operation->n_query; i++)
                if (req.operation->query[i].required &&
                    !http_query(&req, req.operation->query[i].name))
                    abort();
        }
    }
    arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    if (data[0] == 'q')
        try_request((const char *)data + 1, size - 1);
    else
        try_body(TYPES[data[0] % array_len(TYPES)], (const char *)data + 1, size - 1);
    return 0;
}
