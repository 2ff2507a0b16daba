// SPDX-License-Identifier: Apache-2.0
// One entry is one write, so lines of several threads never mix. Nothing is allocated; what does
// not fit in LINE_SIZE is cut, and JSON stays well-formed. Values come from anywhere: their control
// characters are escaped and their quotes too, so that no value can look like a second entry.
//
// The field format is split before it is expanded: the spaces between fields become SEPARATOR and
// quotes around values go, so a value may hold anything but SEPARATOR itself.
#include "base/log.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { FIELDS_MAX = 24, FORMAT_SIZE = 512, VALUES_SIZE = 3072, LINE_SIZE = 4096, TAIL_ROOM = 8 };
#define SEPARATOR '\x1f'

static struct {
    char component[32];
    enum log_level level;
    bool json;
    int fd;
} settings = {.component = "trine", .level = LOG_LEVEL_INFO, .fd = STDERR_FILENO};

static const char *const LEVEL_WORDS[] = {"debug", "info", "warn", "error", "none"};

void log_setup(const char *component, enum log_level level, bool json, int fd) {
    snprintf(settings.component, sizeof(settings.component), "%s", component);
    settings.level = level;
    settings.json = json;
    settings.fd = fd;
}

enum log_level log_level_get(void) {
    return settings.level;
}

int log_level_parse(const char *word, enum log_level *ret) {
    for (size_t i = 0; i < array_len(LEVEL_WORDS); i++) {
        if (strcmp(word, LEVEL_WORDS[i]) != 0) continue;
        *ret = (enum log_level)i;
        return 0;
    }
    return -EINVAL;
}

struct line {
    char text[LINE_SIZE];
    size_t len;
    bool full;
};

// TAIL_ROOM stays free for what closes the line.
static void add_n(struct line *line, const char *bytes, size_t n) {
    if (line->full || line->len + n > LINE_SIZE - TAIL_ROOM) {
        line->full = true;
        return;
    }
    memcpy(line->text + line->len, bytes, n);
    line->len += n;
}

static void add(struct line *line, const char *text) {
    add_n(line, text, strlen(text));
}

static void add_escaped(struct line *line, const char *text, bool quotes) {
    for (size_t left = strlen(text); left && !line->full;) {
        size_t n = utf8_length((const uint8_t *)text, left);
        unsigned char c = (unsigned char)*text;
        char escape[8];
        if (n == 0)
            add(line, "\xef\xbf\xbd");
        else if (c == '\n')
            add(line, "\\n");
        else if (c < 0x20 || c == 0x7f)
            add_n(line, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c));
        else if (quotes && (c == '"' || c == '\\'))
            add_n(line, escape, (size_t)snprintf(escape, sizeof(escape), "\\%c", c));
        else
            add_n(line, text, n);
        n = n ? n : 1;
        text += n;
        left -= n;
    }
}

// A value is added whole or marked as cut, its quotes always closed.
static void add_quoted(struct line *line, const char *text) {
    if (line->full) return;
    add(line, "\"");
    if (line->full) return;
    add_escaped(line, text, true);
    line->text[line->len++] = '"'; // TAIL_ROOM has place for it
}

struct field_format {
    bool quoted, number;
};

// Rewrites `fields` as told above; the number of fields, or -1 when it does not fit.
static int split_format(const char *fields, char out[FORMAT_SIZE],
                        struct field_format info[FIELDS_MAX]) {
    size_t len = 0;
    int n = 0;
    bool quoted = false;
    char last = 0;
    memset(info, 0, FIELDS_MAX * sizeof(*info));
    for (; *fields; fields++) {
        char c = *fields;
        if (c == '"') {
            quoted = !quoted;
            info[n].quoted = true;
            continue;
        }
        if (c == ' ' && !quoted) {
            info[n++].number = last && strchr("diu", last);
            if (n == FIELDS_MAX) return -1;
            c = SEPARATOR;
        }
        if (len + 1 >= FORMAT_SIZE) return -1;
        last = out[len++] = c;
    }
    info[n].number = last && strchr("diu", last);
    out[len] = '\0';
    return n + 1;
}

static bool is_json_number(const char *text) {
    if (*text == '-') text++;
    size_t digits = strspn(text, "0123456789");
    return digits && digits < 16 && !text[digits] && (digits == 1 || *text != '0');
}

static void add_field(struct line *line, char *field, struct field_format info) {
    char *value = strchr(field, '=');
    if (value) *value++ = '\0';
    if (!value) value = field + strlen(field);
    if (settings.json) {
        size_t before = line->len;
        add(line, ",");
        add_quoted(line, field);
        add(line, ":");
        if (line->full) {
            line->len = before;
            return;
        }
        if (info.number && !info.quoted && is_json_number(value))
            add(line, value);
        else
            add_quoted(line, value);
        // A cut text was closed, anything else would break the object.
        if (line->full && line->text[line->len - 1] != '"') line->len = before;
    } else {
        add(line, " ");
        add(line, field);
        add(line, "=");
        if (info.quoted || !*value || strpbrk(value, " \"="))
            add_quoted(line, value);
        else
            add_escaped(line, value, false);
    }
}

static void add_fields(struct line *line, const char *fields, va_list args) {
    char format[FORMAT_SIZE], values[VALUES_SIZE];
    struct field_format info[FIELDS_MAX];
    int n = split_format(fields, format, info);
    vsnprintf(values, sizeof(values), n < 0 ? fields : format, args);
    int found = 1;
    for (const char *p = values; *p; p++) found += *p == SEPARATOR;
    if (n < 0 || found > n) { // a value holds separators: nobody can tell the fields apart
        char whole[VALUES_SIZE + 8];
        snprintf(whole, sizeof(whole), "fields=%s", values);
        add_field(line, whole, (struct field_format){.quoted = true});
        return;
    }
    char *rest = values, separator[] = {SEPARATOR, '\0'};
    for (int i = 0; rest && i < n; i++) add_field(line, strsep(&rest, separator), info[i]);
}

void log_entry(enum log_level level, const char *message, const char *fields, ...) {
    if (level < settings.level || level >= LOG_LEVEL_NONE) return;
    int saved = errno;
    char time[TIME_TEXT_SIZE];
    time_format(clock_realtime(clock_system()), time);
    struct line line = {.len = 0};
    if (settings.json) {
        add(&line, "{\"time\":\"");
        add(&line, time);
        add(&line, "\",\"level\":\"");
        add(&line, LEVEL_WORDS[level]);
        add(&line, "\",\"component\":");
        add_quoted(&line, settings.component);
        add(&line, ",\"message\":");
        add_quoted(&line, message);
    } else {
        add(&line, time);
        add(&line, " ");
        add(&line, LEVEL_WORDS[level]);
        add(&line, " ");
        add(&line, settings.component);
        add(&line, ": ");
        add_escaped(&line, message, false);
    }
    if (*fields) {
        va_list args;
        va_start(args, fields);
        add_fields(&line, fields, args);
        va_end(args);
    }
    if (settings.json) line.text[line.len++] = '}';
    line.text[line.len++] = '\n';
    for (size_t done = 0; done < line.len;) {
        ssize_t n = write(settings.fd, line.text + done, line.len - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            break;
    }
    errno = saved;
}
