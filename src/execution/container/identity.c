// SPDX-License-Identifier: Apache-2.0
// Who the program is: ids, groups, HOME.
#include "base/str.h"
#include "execution/container/child.h"
#include "execution/container/user.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define USER_FILE_MAX ((size_t)4 << 20)

// NULL without error where there is no such regular file.
static int read_in_root(struct child *c, const char *path, char **ret, struct err *err) {
    *ret = NULL;
    auto_close int fd =
        path_open_in_root(c->root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
    if (fd < 0) return 0;
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) return 0;
    if ((size_t)st.st_size > USER_FILE_MAX)
        return err_set(err, ERR_TOO_LARGE, 0, path, "more than 4 MiB");
    char *text = mem_try_zalloc((size_t)st.st_size + 1);
    if (!text) return err_set(err, ERR_NO_SPACE, 0, path, "no memory to read it");
    size_t at = 0;
    while (at < (size_t)st.st_size) {
        ssize_t n = file_read_some(fd, text + at, (size_t)st.st_size - at);
        if (n <= 0) break;
        at += (size_t)n;
    }
    text[at] = 0;
    *ret = text;
    return 0;
}

static const char *find_env(char *const *env, const char *name) {
    size_t len = strlen(name);
    for (; env && *env; env++)
        if (!strncmp(*env, name, len) && (*env)[len] == '=') return *env + len + 1;
    return NULL;
}

static int set_home(struct child *c, const char *home, struct err *err) {
    const struct oci_strings *env = &c->plan->process->env;
    c->env = env->items ? env->items : (char *[]){NULL};
    if (find_env(env->items, "HOME")) return 0;
    char **copy = mem_try_array(env->len + 2, sizeof(char *));
    if (!copy) return err_set(err, ERR_NO_SPACE, 0, "process.env", "no memory");
    for (size_t i = 0; i < env->len; i++) copy[i] = env->items[i];
    copy[env->len] = mem_printf("HOME=%s", home[0] ? home : "/");
    c->env = copy;
    return 0;
}

int child_find_user(struct child *c, struct err *err) {
    const struct oci_user *spec = &c->plan->process->user;
    c->uid = spec->uid;
    c->gid = spec->gid;
    c->groups = spec->additional_gids.items;
    c->n_groups = spec->additional_gids.len;
    const char *word = spec->username;
    if (!c->plan->exec && !(word && word[0]))
        word = oci_spec_annotation(c->plan->spec, "org.trine.user");
    bool named = word && word[0];
    if (!named && find_env(c->plan->process->env.items, "HOME")) return set_home(c, "", err);

    auto_free char *passwd = NULL, *group = NULL;
    int r = read_in_root(c, "/etc/passwd", &passwd, err);
    if (!named) {
        char home[256] = "";
        if (passwd) user_home(passwd, c->uid, home, sizeof(home));
        return set_home(c, home, err);
    }
    if (r == 0) r = read_in_root(c, "/etc/group", &group, err);
    struct user user;
    if (r == 0) r = user_resolve(word, passwd, group, &user, err);
    if (r < 0) return r;
    c->uid = user.uid;
    c->gid = user.gid;
    size_t n = c->n_groups + user.n_groups;
    gid_t *groups = mem_try_array(n + 1, sizeof(gid_t));
    if (!groups) return err_set(err, ERR_NO_SPACE, 0, "groups", "no memory");
    for (size_t i = 0; i < c->n_groups; i++) groups[i] = c->groups[i];
    for (size_t i = 0; i < user.n_groups; i++) groups[c->n_groups + i] = user.groups[i];
    c->groups = groups;
    c->n_groups = n;
    return set_home(c, user.home, err);
}

// EINVAL: the id is not one of those that the user namespace maps.
static int explain(int number, const char *what, unsigned id, struct err *err) {
    if (number != EINVAL)
        return err_os(err, number, "process.user", "cannot become %s %u", what, id);
    err_set(err, ERR_INVALID, 0, "process.user", "%s %u does not exist in this user namespace",
            what, id);
    return err_next(err, "without root, /etc/subuid and /etc/subgid must grant you a range of ids");
}

// Straight system calls: with one thread there is nobody else to tell.
int child_become_user(struct child *c, struct err *err) {
    // "deny" in setgroups is what an unprivileged user namespace has; then there are none to set.
    if (syscall(SYS_setgroups, c->n_groups, c->groups) < 0 && (errno != EPERM || c->n_groups))
        return err_os(err, errno, "process.user", "cannot set the supplementary groups");
    if (syscall(SYS_setresgid, c->gid, c->gid, c->gid) < 0)
        return explain(errno, "group", c->gid, err);
    if (syscall(SYS_setresuid, c->uid, c->uid, c->uid) < 0)
        return explain(errno, "user", c->uid, err);
    // A host that dumps set-id programs (fs.suid_dumpable) would have made us dumpable by that.
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    const struct oci_uint *mask = &c->plan->process->user.umask;
    umask(mask->set ? (mode_t)mask->value : 022);
    return 0;
}
