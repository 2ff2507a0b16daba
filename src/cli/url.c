// SPDX-License-Identifier: Apache-2.0
#include "cli/url.h"

#include <stdarg.h>
#include <string.h>

// Only the unreserved characters of RFC 3986 2.3 stay as they are.
static void add_encoded(struct str *url, const char *text) {
    static const char keep[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *text; text++) {
        if (strchr(keep, *text))
            str_add_char(url, *text);
        else
            str_printf(url, "%%%02X", (unsigned char)*text);
    }
}

void url_path(struct str *url, const char *pattern, ...) {
    va_list args;
    va_start(args, pattern);
    for (const char *hole; (hole = strstr(pattern, "{}")) != NULL; pattern = hole + 2) {
        str_add_n(url, pattern, (size_t)(hole - pattern));
        add_encoded(url, va_arg(args, const char *));
    }
    va_end(args);
    str_add(url, pattern);
}

void url_query(struct str *url, const char *name, const char *value) {
    if (!value) return;
    str_add_char(url, strchr(str_text(url), '?') ? '&' : '?');
    add_encoded(url, name);
    str_add_char(url, '=');
    add_encoded(url, value);
}

void url_query_bool(struct str *url, const char *name, bool value) {
    if (value) url_query(url, name, "true");
}
