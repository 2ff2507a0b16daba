// SPDX-License-Identifier: Apache-2.0
#include "cloud/agent/instance.h"

#include <errno.h>
#include <jansson.h>

static int corrupt(const char *what, struct err *err) {
    return err_set(err, ERR_CORRUPT, 0, "exit record", "%s", what);
}

int exit_record_parse(const char *json, size_t size, struct arena *arena,
                      struct wire_agent_exit *ret, struct err *err) {
    json_error_t why;
    json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &why);
    if (!root) return corrupt(why.text, err);
    int oom_killed;
    json_int_t version, exit_code, started, finished; // "i" would cut them to an int
    const char *failure;
    int rc = 0;
    if (json_unpack_ex(root, &why, JSON_STRICT, "{s:I, s:I, s:b, s:I, s:I, s:s}", "version",
                       &version, "exit_code", &exit_code, "oom_killed", &oom_killed, "started_ns",
                       &started, "finished_ns", &finished, "failure", &failure) < 0)
        rc = corrupt(why.text, err);
    else if (version != 1)
        rc = err_set(err, ERR_VERSION, 0, "exit record",
                     "it has version %lld, this program knows 1", (long long)version);
    else if (exit_code < 0 || exit_code > 255 || started < 0 || finished < 0)
        rc = corrupt("a number is out of range", err);
    else if (strlen(failure) > 1023)
        rc = corrupt("the failure is too long", err);
    if (rc == 0) {
        *ret = (struct wire_agent_exit){.known = true,
                                        .exit_code = (int32_t)exit_code,
                                        .oom_killed = oom_killed,
                                        .started_ns = started,
                                        .finished_ns = finished,
                                        .failure = arena_strdup(arena, failure)};
        if (!ret->failure) rc = err_set(err, ERR_NO_SPACE, ENOMEM, "exit record", "cannot read it");
    }
    json_decref(root);
    return rc;
}
