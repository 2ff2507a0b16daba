// SPDX-License-Identifier: Apache-2.0
#include "execution/container/supervisor_exec_json.h"

#include "base/str.h"
#include "host/capability.h"
#include "host/file.h"
#include "wire/layout.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONFIG_MAX (16u << 20)

static void json_decref_at(json_t **json) {
    json_decref(*json);
}
#define auto_json auto_call(json_decref_at)

// Every capability, in the sets that a root process would have.
static json_t *all_capabilities(void) {
    static const char *const sets[] = {"bounding", "effective", "permitted"};
    json_t *all = json_object();
    for (size_t s = 0; s < array_len(sets); s++) {
        json_t *list = json_array();
        for (unsigned i = 0; i < CAPABILITY_COUNT; i++)
            json_array_append_new(list, json_string(capability_name(i)));
        json_object_set_new(all, sets[s], list);
    }
    return all;
}

static bool names_same_variable(const char *a, const char *b) {
    size_t name = strcspn(b, "=");
    return strncmp(a, b, name) == 0 && (a[name] == '=' || a[name] == 0);
}

// KEY=value replaces the variable of that name, so that the program sees one of it.
static void set_variable(json_t *env, const char *assignment) {
    for (size_t i = json_array_size(env); i-- > 0;) {
        const char *old = json_string_value(json_array_get(env, i));
        if (old && names_same_variable(old, assignment)) json_array_remove(env, i);
    }
    json_array_append_new(env, json_string(assignment));
}

static json_t *string_list(struct wire_strings strings) {
    json_t *list = json_array();
    for (size_t i = 0; i < strings.count; i++)
        json_array_append_new(list, json_string(strings.items[i]));
    return list;
}

static int check_text(const struct wire_shim_exec *request, struct err *err) {
    if (request->args.count == 0 || !*request->args.items[0])
        return err_set(err, ERR_INVALID, 0, "exec", "no program is named");
    // json_string refuses what is not UTF-8, and so would the container's own configuration.
    for (size_t i = 0; i < request->args.count; i++) {
        json_t *probe auto_json = json_string(request->args.items[i]);
        if (!probe) return err_set(err, ERR_INVALID, 0, "exec", "argument %zu is not UTF-8", i);
    }
    for (size_t i = 0; i < request->env.count; i++) {
        const char *at = strchr(request->env.items[i], '=');
        json_t *probe auto_json = json_string(request->env.items[i]);
        if (!probe || !at || at == request->env.items[i])
            return err_set(err, ERR_INVALID, 0, "exec",
                           "environment entry %zu is not KEY=value in UTF-8", i);
    }
    json_t *probe auto_json = json_string(request->working_dir);
    if (!probe) return err_set(err, ERR_INVALID, 0, "exec", "the working directory is not UTF-8");
    return 0;
}

static void apply_terminal(json_t *process, const struct wire_shim_exec *request) {
    json_object_set_new(process, "terminal", json_boolean(request->terminal));
    json_object_del(process, "consoleSize");
    if (request->terminal && request->rows > 0 && request->columns > 0)
        json_object_set_new(process, "consoleSize",
                            json_pack("{s:i,s:i}", "height", (int)request->rows, "width",
                                      (int)request->columns));
}

// The user is a word that is resolved in the container's root, by whoever makes the process there.
static int apply_user(json_t *process, const json_t *config, const char *user, struct err *err) {
    const char *own = json_string_value(
        json_object_get(json_object_get(config, "annotations"), "org.trine.user"));
    const char *word = *user ? user : own;
    if (!word || !*word) return 0;
    json_t *object = *user ? NULL : json_object_get(process, "user");
    if (!json_is_object(object)) {
        object = json_pack("{s:i,s:i}", "uid", 0, "gid", 0);
        json_object_set_new(process, "user", object);
    }
    if (json_object_set_new(object, "username", json_string(word)) < 0)
        return err_set(err, ERR_INVALID, 0, "exec", "the user's name is not UTF-8");
    return 0;
}

static int apply_request(json_t *process, const json_t *config,
                         const struct wire_shim_exec *request, struct err *err) {
    int rc = check_text(request, err);
    if (rc == 0) rc = apply_user(process, config, request->user, err);
    if (rc < 0) return rc;
    json_object_set_new(process, "args", string_list(request->args));
    if (!json_is_array(json_object_get(process, "env")))
        json_object_set_new(process, "env", json_array());
    for (size_t i = 0; i < request->env.count; i++)
        set_variable(json_object_get(process, "env"), request->env.items[i]);
    if (*request->working_dir)
        json_object_set_new(process, "cwd", json_string(request->working_dir));
    apply_terminal(process, request);
    if (request->privileged) {
        json_object_set_new(process, "capabilities", all_capabilities());
        json_object_set_new(process, "noNewPrivileges", json_false());
    }
    return 0;
}

int supervisor_exec_json(const char *config, size_t size, const struct wire_shim_exec *request,
                         char **ret, struct err *err) {
    json_error_t where;
    json_t *root auto_json = json_loadb(config, size, JSON_REJECT_DUPLICATES, &where);
    if (!root)
        return err_set(err, ERR_CORRUPT, 0, LAYOUT_CONFIG, "line %d: %s", where.line, where.text);
    json_t *process = json_object_get(root, "process");
    if (!json_is_object(process))
        return err_set(err, ERR_CORRUPT, 0, LAYOUT_CONFIG, "it has no process object");
    int rc = apply_request(process, root, request, err);
    if (rc < 0) return rc;
    *ret = json_dumps(process, JSON_COMPACT);
    return *ret ? 0 : err_set(err, ERR_NO_SPACE, ENOMEM, "exec", "cannot build the process object");
}

// What the child leaves in the shared memory file: the object, or the error.
struct outcome {
    struct err err;
    uint64_t size; // of the JSON that follows; 0: failed
};

static void child_build(int out, int dirfd, const char *name,
                        const struct wire_shim_exec *request) {
    struct outcome outcome = {0};
    char *config auto_free = NULL, *json auto_free = NULL;
    size_t size;
    if (file_read(dirfd, name, CONFIG_MAX, &config, &size, &outcome.err) == 0 &&
        supervisor_exec_json(config, size, request, &json, &outcome.err) == 0)
        outcome.size = strlen(json);
    if (file_write_all(out, &outcome, sizeof(outcome)) == 0 && outcome.size > 0)
        file_write_all(out, json, outcome.size);
}

static int read_outcome(int fd, char **ret, size_t *ret_size, struct err *err) {
    struct outcome outcome;
    if (pread(fd, &outcome, sizeof(outcome), 0) != (ssize_t)sizeof(outcome))
        return err_set(err, ERR_INTERNAL, 0, "exec", "its process object was not built");
    if (outcome.err.kind != ERR_NONE) {
        if (err) *err = outcome.err;
        return err_code(&outcome.err);
    }
    char *json auto_free = mem_try_array(outcome.size + 1, 1);
    if (!json) return err_set(err, ERR_NO_SPACE, ENOMEM, "exec", "cannot keep its process object");
    if (pread(fd, json, outcome.size, sizeof(outcome)) != (ssize_t)outcome.size)
        return err_set(err, ERR_INTERNAL, 0, "exec", "its process object is cut short");
    *ret_size = outcome.size;
    *ret = take(json);
    return 0;
}

int supervisor_exec_json_spawn(int dirfd, const char *name, const struct wire_shim_exec *request,
                               char **ret, size_t *ret_size, struct err *err) {
    int fd auto_close = memfd_create("exec", MFD_CLOEXEC);
    if (fd < 0) return err_os(err, errno, "exec", "cannot make a memory file");
    pid_t pid = fork();
    if (pid < 0) return err_os(err, errno, "exec", "cannot start a helper process");
    if (pid == 0) {
        child_build(fd, dirfd, name, request);
        _exit(0);
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
    return read_outcome(fd, ret, ret_size, err);
}
