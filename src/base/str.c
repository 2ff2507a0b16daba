// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"

#include "base/mem.h"
#include "base/utf8_int.h"

#include <stdio.h>
#include <stdlib.h>

void str_free(struct str *s) {
    free(s->data);
    *s = (struct str){0};
}

// Room for n more bytes and the terminator.
static bool make_room(struct str *s, size_t n) {
    if (s->failed) return false;
    if (n < s->cap - s->len) return true;
    if (n >= STR_MAX - s->len) {
        s->failed = true;
        return false;
    }
    size_t cap = s->cap ? s->cap : 64;
    while (cap <= s->len + n) cap *= 2;
    char *data = mem_try_resize(s->data, cap, 1);
    if (!data) {
        s->failed = true;
        return false;
    }
    s->data = data;
    s->cap = cap;
    s->data[s->len] = '\0';
    return true;
}

void str_add_n(struct str *s, const char *bytes, size_t n) {
    if (!make_room(s, n)) return;
    if (n) memcpy(s->data + s->len, bytes, n);
    s->len += n;
    s->data[s->len] = '\0';
}

void str_add(struct str *s, const char *text) {
    str_add_n(s, text, strlen(text));
}

void str_add_char(struct str *s, char c) {
    str_add_n(s, &c, 1);
}

void str_printf(struct str *s, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    str_vprintf(s, fmt, args);
    va_end(args);
}

void str_vprintf(struct str *s, const char *fmt, va_list args) {
    va_list again;
    va_copy(again, args);
    size_t room = s->cap - s->len;
    int len = vsnprintf(room ? s->data + s->len : NULL, room, fmt, args);
    if (len < 0) {
        s->failed = true;
        if (room) s->data[s->len] = '\0';
    } else if (s->failed) {
        if (room) s->data[s->len] = '\0';
    } else if ((size_t)len < room) {
        s->len += (size_t)len;
    } else {
        if (room) s->data[s->len] = '\0';
        if (make_room(s, (size_t)len)) {
            vsnprintf(s->data + s->len, (size_t)len + 1, fmt, again);
            s->len += (size_t)len;
        }
    }
    va_end(again);
}

static void add_json_ascii(struct str *s, char c) {
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *at = c ? strchr(from, c) : NULL;
    if (at) {
        char pair[2] = {'\\', to[at - from]};
        str_add_n(s, pair, 2);
    } else if ((unsigned char)c < 0x20 || c == 0x7f) {
        str_printf(s, "\\u%04x", (unsigned char)c);
    } else {
        str_add_char(s, c);
    }
}

void str_add_json(struct str *s, const char *text) {
    if (!text) {
        str_add(s, "null");
        return;
    }
    str_add_char(s, '"');
    for (size_t left = strlen(text); left && !s->failed;) {
        size_t n = utf8_length((const uint8_t *)text, left);
        if (n == 1)
            add_json_ascii(s, *text);
        else if (n > 1)
            str_add_n(s, text, n);
        else
            str_add(s, "\xef\xbf\xbd"); // U+FFFD for each byte that fits nothing
        n = n ? n : 1;
        text += n;
        left -= n;
    }
    str_add_char(s, '"');
}

void str_reset(struct str *s) {
    s->len = 0;
    s->failed = false;
    if (s->data) s->data[0] = '\0';
}

const char *str_text(const struct str *s) {
    return s->data ? s->data : "";
}

char *str_take(struct str *s) {
    make_room(s, 0);
    char *text = s->failed ? NULL : take(s->data);
    str_free(s);
    return text;
}

bool str_starts(const char *s, const char *prefix) {
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix) {
    size_t len = strlen(s), tail = strlen(suffix);
    return len >= tail && memcmp(s + len - tail, suffix, tail) == 0;
}

bool str_same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}
