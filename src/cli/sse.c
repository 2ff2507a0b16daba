// SPDX-License-Identifier: Apache-2.0
#include "cli/sse.h"

#include <errno.h>
#include <string.h>

void sse_free(struct sse *sse) {
    str_free(&sse->line);
    str_free(&sse->event);
    str_free(&sse->data);
}

static int dispatch(struct sse *sse) {
    int r = 0;
    if (sse->data.len) {
        sse->data.data[--sse->data.len] = '\0'; // the line feed of its last line
        r = sse->fn(str_text(&sse->event), str_text(&sse->data), sse->arg);
    }
    str_reset(&sse->event);
    str_reset(&sse->data);
    return r;
}

static int take_line(struct sse *sse) {
    const char *line = str_text(&sse->line);
    if (!*line) return dispatch(sse);
    size_t n = strcspn(line, ":");
    const char *value = line[n] ? line + n + 1 : line + n;
    if (*value == ' ') value++;
    if (n == 4 && memcmp(line, "data", 4) == 0) {
        str_add(&sse->data, value);
        str_add_char(&sse->data, '\n');
    } else if (n == 5 && memcmp(line, "event", 5) == 0) {
        str_reset(&sse->event);
        str_add(&sse->event, value);
    } // comments (n == 0), ids and times to retry are of no use here
    return sse->data.len > SSE_EVENT_MAX || sse->data.failed ? -EMSGSIZE : 0;
}

int sse_push(struct sse *sse, const char *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        bool skip = data[i] == '\n' && sse->after_cr;
        sse->after_cr = data[i] == '\r';
        if (skip) continue;
        if (data[i] != '\n' && data[i] != '\r') {
            if (sse->line.len >= SSE_EVENT_MAX || sse->line.failed) return -EMSGSIZE;
            str_add_char(&sse->line, data[i]);
            continue;
        }
        int r = take_line(sse);
        str_reset(&sse->line);
        if (r < 0) return r;
    }
    return 0;
}
