// SPDX-License-Identifier: Apache-2.0
// An HTTP answer, whole and byte by byte: both must see the same message.
#include "codec/http_message.h"
#include "fuzz.h"

#include <stdlib.h>

struct seen {
    int result, status;
    size_t body, used;
};

static struct seen read_in_steps(const uint8_t *data, size_t size, size_t step) {
    struct http_message *m = malloc(sizeof *m);
    struct seen seen = {0};
    if (!m) return seen;
    http_message_init(m, false);
    for (size_t at = 0; at < size;) {
        size_t used = 0, n = step < size - at ? step : size - at;
        struct span piece = {0};
        int rc = http_message_push(m, data + at, n, &used, &piece);
        seen.result = rc;
        if (rc < 0) break;
        if (used > n || piece.size > n) abort();
        if (rc == HTTP_DATA) seen.body += piece.size;
        if (rc == HTTP_HEAD) seen.status = m->status;
        if (rc == HTTP_HEAD && (m->status < 100 || m->status > 599)) abort();
        at += used;
        seen.used = at;
        if (rc == HTTP_END) break;
        if (rc == HTTP_MORE && used < n) abort();
    }
    if (seen.result >= 0) http_message_field(m, "content-type");
    free(m);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct seen whole = read_in_steps(data, size, size), single = read_in_steps(data, size, 1);
    if (whole.status != single.status || whole.body != single.body) abort();
    if ((whole.result < 0) != (single.result < 0)) abort();
    return 0;
}
