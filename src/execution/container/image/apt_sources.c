// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/apt_sources.h"

#include "base/str.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILE_MAX ((size_t)1 << 20)

static bool suite_fits(const char *found, const char *suite) {
    size_t len = strlen(suite);
    if (strncmp(found, suite, len) != 0) return false;
    const char *rest = found + len;
    return !*rest || strcmp(rest, "-updates") == 0 || strcmp(rest, "-security") == 0 ||
           strcmp(rest, "/updates") == 0;
}

static void note_archive(const char *uri, char **archive) {
    if (!*archive && (str_ends(uri, "/debian") || str_ends(uri, "/debian/")))
        *archive = mem_strdup(uri);
}

// "deb [signed-by=…] URI SUITE COMPONENT…", in place.
static void parse_line(char *line, const char *suite, struct strv *lines, char **archive) {
    char *save = NULL, *options = NULL;
    line[strcspn(line, "#")] = '\0';
    while (*line == ' ' || *line == '\t') line++;
    if (strncmp(line, "deb", 3) != 0 || (line[3] != ' ' && line[3] != '\t')) return;
    line += 4;
    while (*line == ' ' || *line == '\t') line++;
    if (*line == '[') {
        char *end = strchr(line, ']');
        if (!end) return;
        options = line + 1;
        *end = '\0';
        line = end + 1;
    }
    const char *uri = strtok_r(line, " \t", &save), *found = strtok_r(NULL, " \t", &save);
    if (!uri || !found) return;
    note_archive(uri, archive);
    if (!suite_fits(found, suite)) return;
    strv_printf(lines, "deb %s%s%s%s %s %s", options ? "[" : "", options ? options : "",
                options ? "] " : "", uri, found, save && *save ? save : "main");
}

static void parse_lines(char *text, const char *suite, struct strv *lines, char **archive) {
    char *save = NULL;
    for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save))
        parse_line(line, suite, lines, archive);
}

struct stanza {
    char *uris, *suites, *components, *key; // into the text
    bool binary, disabled;
};

static char *skip_blank(char *text) {
    while (*text == ' ' || *text == '\t') text++;
    return text;
}

// Every URI with every suite that fits.
static void finish_stanza(const struct stanza *s, const char *suite, struct strv *lines,
                          char **archive) {
    if (!s->binary || s->disabled || !s->uris || !s->suites) return;
    char *save_uri = NULL;
    for (char *uri = strtok_r(s->uris, " \t", &save_uri); uri;
         uri = strtok_r(NULL, " \t", &save_uri)) {
        auto_free char *suites = mem_strdup(s->suites);
        char *save = NULL;
        note_archive(uri, archive);
        for (char *found = strtok_r(suites, " \t", &save); found;
             found = strtok_r(NULL, " \t", &save)) {
            if (!suite_fits(found, suite)) continue;
            bool keyed = s->key && *s->key == '/'; // else a key in the text, or a fingerprint
            strv_printf(lines, "deb %s%s%s%s %s %s", keyed ? "[signed-by=" : "",
                        keyed ? s->key : "", keyed ? "] " : "", uri, found,
                        s->components ? s->components : "main");
        }
    }
}

// deb822 stanzas: "Field: value", blank lines between; continued lines only hold keys, which are
// not needed here.
static void parse_stanzas(char *text, const char *suite, struct strv *lines, char **archive) {
    struct stanza s = {0};
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        line[strcspn(line, "\r")] = '\0';
        if (*line == '#') continue;
        if (*skip_blank(line) == '\0') {
            finish_stanza(&s, suite, lines, archive);
            s = (struct stanza){0};
            continue;
        }
        char *value = strchr(line, ':');
        if (*line == ' ' || *line == '\t' || !value) continue;
        *value++ = '\0';
        value = skip_blank(value);
        if (strcasecmp(line, "URIs") == 0) s.uris = value;
        if (strcasecmp(line, "Suites") == 0) s.suites = value;
        if (strcasecmp(line, "Components") == 0) s.components = value;
        if (strcasecmp(line, "Signed-By") == 0) s.key = value;
        if (strcasecmp(line, "Enabled") == 0) s.disabled = strcasecmp(value, "no") == 0;
        if (strcasecmp(line, "Types") == 0)
            s.binary = strncmp(value, "deb", 3) == 0 && (!value[3] || value[3] == ' ');
    }
    finish_stanza(&s, suite, lines, archive);
}

void apt_sources_parse(const char *text, bool deb822, const char *suite, struct strv *ret_lines,
                       char **ret_archive) {
    auto_free char *copy = mem_strdup(text);
    if (deb822)
        parse_stanzas(copy, suite, ret_lines, ret_archive);
    else
        parse_lines(copy, suite, ret_lines, ret_archive);
}

struct collect {
    const char *suite;
    struct strv *lines;
    char *archive;
};

static int read_one(int dirfd, const char *name, void *arg) {
    struct collect *c = arg;
    bool deb822 = str_ends(name, ".sources");
    auto_free char *text = NULL;
    size_t size;
    if (!deb822 && !str_ends(name, ".list")) return 0;
    if (file_read(dirfd, name, FILE_MAX, &text, &size, NULL) < 0) return 0;
    apt_sources_parse(text, deb822, c->suite, c->lines, &c->archive);
    return 0;
}

int apt_sources_read(const char *suite, struct strv *ret_lines, struct err *err) {
    struct collect c = {.suite = suite, .lines = ret_lines};
    auto_close int dir = open("/etc/apt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return 0;
    read_one(dir, "sources.list", &c);
    int r = dir_each(dir, "sources.list.d", read_one, &c);
    if (ret_lines->len == 0 && c.archive)
        strv_printf(ret_lines, "deb %s %s main", c.archive, suite);
    free(c.archive);
    return r < 0 && r != -ENOENT ? err_os(err, -r, "/etc/apt", "cannot read apt's sources") : 0;
}
