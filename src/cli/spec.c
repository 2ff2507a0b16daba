// SPDX-License-Identifier: Apache-2.0
#include "cli/spec.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/fields.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENV_FILE_MAX ((size_t)1 << 20)

int spec_env(const char *text, char **ret, struct err *err) {
    *ret = NULL;
    const char *equals = strchr(text, '=');
    if (!*text || equals == text) {
        err_set(err, ERR_INVALID, 0, "flag --env", "\"%.60s\" has no name", text);
        return err_next(err, "write it as --env NAME=VALUE");
    }
    if (equals) {
        *ret = mem_strdup(text);
        return 0;
    }
    const char *value = getenv(text);
    if (value) *ret = mem_printf("%s=%s", text, value);
    return 0;
}

static int add_env(json_t *list, const char *text, struct err *err) {
    auto_free char *pair = NULL;
    int r = spec_env(text, &pair, err);
    if (r < 0 || !pair) return r;
    if (json_array_append_new(list, json_string(pair)) < 0)
        return err_set(err, ERR_INVALID, 0, "flag --env", "the value of %.60s is not UTF-8 text",
                       text);
    return 0;
}

// One NAME[=VALUE] a line; empty lines and those that begin with # are skipped.
static int add_env_file(json_t *list, const char *path, struct err *err) {
    auto_free char *text = NULL;
    size_t size;
    int r = file_read(AT_FDCWD, path, ENV_FILE_MAX, &text, &size, err);
    if (r < 0) return err_while(err, "reading --env-file %s", path);
    char *save = NULL;
    for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
        if (*line == '#' || !*line) continue;
        r = add_env(list, line, err);
        if (r < 0) return err_while(err, "reading --env-file %s", path);
    }
    return 0;
}

static json_t *split_options(const char *text) {
    json_t *options = json_array();
    while (text && *text) {
        size_t n = strcspn(text, ",");
        if (n) json_array_append_new(options, json_stringn(text, n));
        text += n + (text[n] == ',');
    }
    return options;
}

static json_t *bad_mount(const char *flag, const char *text, const char *form, struct err *err) {
    err_set(err, ERR_INVALID, 0, flag, "\"%.100s\" is not of the form %s", text, form);
    err_next(err, "the path inside is an absolute one, such as /srv");
    return NULL;
}

// The daemon does not stand where we stand: relative paths are made absolute here.
static char *absolute(const char *path) {
    if (*path == '/') return mem_strdup(path);
    auto_free char *here = getcwd(NULL, 0);
    if (str_starts(path, "./")) path += 2;
    return mem_printf("%s/%s", here ? here : "", strcmp(path, ".") == 0 ? "" : path);
}

json_t *spec_volume(const char *text, struct err *err) {
    static const char form[] = "SOURCE:PATH[:OPTIONS]";
    const char *path = strchr(text, ':');
    if (!path || path == text || path[1] != '/') return bad_mount("flag --volume", text, form, err);
    auto_free char *source = mem_strndup(text, (size_t)(path - text));
    path++;
    size_t n = strcspn(path, ":");
    const char *options = path[n] ? path + n + 1 : NULL;
    bool bind = *source == '/' || *source == '.';
    auto_free char *from = bind ? absolute(source) : mem_strdup(source);
    json_t *mount = json_pack("{s:s, s:s, s:s%, s:o}", "type", bind ? "bind" : "volume", "source",
                              from, "destination", path, n, "options", split_options(options));
    return mount ? mount : bad_mount("flag --volume", text, form, err);
}

json_t *spec_tmpfs(const char *text, struct err *err) {
    static const char form[] = "PATH[:OPTIONS]";
    if (*text != '/') return bad_mount("flag --tmpfs", text, form, err);
    size_t n = strcspn(text, ":");
    json_t *mount = json_pack("{s:s, s:s%, s:o}", "type", "tmpfs", "destination", text, n,
                              "options", split_options(text[n] ? text + n + 1 : NULL));
    return mount ? mount : bad_mount("flag --tmpfs", text, form, err);
}

static int add_flag(const struct args_flag *given, json_t *env, json_t *mounts, json_t *body,
                    struct err *err) {
    const char *name = given->flag->name, *value = given->value;
    if (strcmp(name, "env") == 0) return add_env(env, value, err);
    if (strcmp(name, "volume") == 0 || strcmp(name, "tmpfs") == 0) {
        json_t *mount = *name == 'v' ? spec_volume(value, err) : spec_tmpfs(value, err);
        if (!mount) return err_code(err);
        json_array_append_new(mounts, mount);
    } else if (strcmp(name, "entrypoint") == 0) { // "" takes the image's away
        json_object_set_new(body, "entrypoint", *value ? json_pack("[s]", value) : json_array());
    }
    return 0;
}

int spec_body(const struct args *args, json_t **ret, struct err *err) {
    static const char *const skip[] = {"env", "env-file", "volume", "tmpfs", "entrypoint", NULL};
    json_t *body = NULL, *env = json_array(), *mounts = json_array();
    int r = fields_body(args, skip, &body, err);
    // Files first: what is said on the command line itself wins.
    for (size_t i = 0; r >= 0 && i < args->flags.len; i++)
        if (strcmp(args->flags.items[i].flag->name, "env-file") == 0)
            r = add_env_file(env, args->flags.items[i].value, err);
    for (size_t i = 0; r >= 0 && i < args->flags.len; i++)
        r = add_flag(&args->flags.items[i], env, mounts, body, err);
    if (r >= 0 && json_array_size(env)) json_object_set(body, "env", env);
    if (r >= 0 && json_array_size(mounts)) json_object_set(body, "mounts", mounts);
    json_decref(env);
    json_decref(mounts);
    if (r < 0)
        json_decref(body);
    else
        *ret = body;
    return r < 0 ? r : 0;
}
