// SPDX-License-Identifier: Apache-2.0
// An ordinary user becomes root of a user namespace (user_namespaces(7)).
//
// One namespace for all of a user's instances: the agent that finds a living shim enters that one's,
// because from a sibling it could neither signal the instances' users nor remove their files. A new
// one gets the ranges of subordinate ids through newuidmap and newgidmap, which are set-id programs
// and must be run from outside by a helper process; without them only the user's own id is mapped.
#include "cloud/agent/agent.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/text.h"
#include "base/vec.h"
#include "cloud/agent/instance.h"
#include "cloud/agent/subid.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

struct search {
    int instances_fd;
    int pidfd;
};

static int find_shim(int dirfd, const char *name, void *arg) {
    struct search *s = arg;
    pid_t pid;
    if (text_check_id("instance", name, NULL) < 0) return 0;
    return shim_find(s->instances_fd, name, &pid, &s->pidfd) == 0 ? -EEXIST : 0;
}

// pidfd of some shim that lives below run_dir, -1: none.
static int living_shim(const char *run_dir) {
    char *path auto_free = mem_printf("%s/" LAYOUT_INSTANCES, run_dir);
    auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct search s = {.instances_fd = fd, .pidfd = -1};
    if (fd >= 0) dir_each(fd, ".", find_shim, &s);
    return s.pidfd;
}

static int become_root(struct err *err) {
    // Groups cannot be dropped where setgroups is denied; then they map to nobody's.
    if (setgroups(0, NULL) < 0 && errno != EPERM)
        return err_os(err, errno, "user namespace", "cannot drop the groups");
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return err_os(err, errno, "user namespace", "cannot become its root");
    return 0;
}

static int join(int pidfd, struct err *err) {
    if (setns(pidfd, CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return err_os(err, errno, "user namespace", "cannot enter that of the running instances");
    return become_root(err);
}

// newuidmap PID 0 UID 1 1 FIRST COUNT
static int run_mapper(const char *program, pid_t pid, unsigned own, const struct subid_range *range,
                      struct err *err) {
    struct strv argv auto_strv = {0};
    strv_add(&argv, program);
    strv_printf(&argv, "%d", (int)pid);
    strv_add(&argv, "0");
    strv_printf(&argv, "%u", own);
    strv_add(&argv, "1");
    strv_add(&argv, "1");
    strv_printf(&argv, "%u", range->first);
    strv_printf(&argv, "%u", range->count);
    char *output auto_free = NULL;
    int code = process_run(argv.items, 512, true, &output, err);
    if (code < 0) return code;
    if (code == 0) return 0;
    return err_set(err, ERR_DENIED, 0, program, "it failed: %.200s", output ? output : "");
}

// In the helper, outside of the new namespace. One byte back: it worked.
static void helper(pid_t target, int from, int to, const struct subid_range *uids,
                   const struct subid_range *gids) {
    char byte;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (file_read_some(from, &byte, 1) != 1) _exit(1);
    bool ok = run_mapper("newuidmap", target, getuid(), uids, NULL) == 0 &&
              run_mapper("newgidmap", target, getgid(), gids, NULL) == 0;
    if (ok && file_write_all(to, "k", 1) < 0) ok = false;
    _exit(ok ? 0 : 1);
}

static int map_self(uid_t uid, gid_t gid, struct err *err) {
    char map[64];
    int rc = file_write_text(AT_FDCWD, "/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "0 %u 1\n", (unsigned)uid);
    if (rc == 0) rc = file_write_text(AT_FDCWD, "/proc/self/uid_map", map);
    snprintf(map, sizeof(map), "0 %u 1\n", (unsigned)gid);
    if (rc == 0) rc = file_write_text(AT_FDCWD, "/proc/self/gid_map", map);
    return rc < 0 ? err_os(err, -rc, "user namespace", "cannot map your own id") : 0;
}

static int unshare_both(struct err *err) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) return 0;
    err_os(err, errno, "user namespace", "this host does not let you make one");
    return err_next(err, "run Trine as root, or have user.max_user_namespaces (and, where it "
                         "exists, kernel.unprivileged_userns_clone) raised");
}

// 0: mapped with ranges; 1: the mappers would not, and the namespace has no map yet.
static int unshare_with_ranges(const struct subid_range *uids, const struct subid_range *gids,
                               struct err *err) {
    int go[2], done[2];
    if (pipe2(go, O_CLOEXEC) < 0) return err_os(err, errno, "user namespace", "cannot make a pipe");
    auto_close int go_in = go[0];
    auto_close int go_out = go[1];
    if (pipe2(done, O_CLOEXEC) < 0)
        return err_os(err, errno, "user namespace", "cannot make a pipe");
    auto_close int done_in = done[0];
    auto_close int done_out = done[1];
    pid_t self = getpid(), child = fork();
    if (child < 0) return err_os(err, errno, "user namespace", "cannot start a helper");
    if (child == 0) {
        close(take_fd(go_out));
        helper(self, go_in, done_out, uids, gids);
    }
    close(take_fd(done_out));
    char byte;
    int rc = unshare_both(err);
    if (rc == 0) rc = file_write_all(go_out, "g", 1);
    close(take_fd(go_out));
    bool mapped = rc == 0 && file_read_some(done_in, &byte, 1) == 1;
    process_wait(child);
    return rc < 0 ? rc : !mapped;
}

static int enter_new(char **ret_warning, struct err *err) {
    uid_t uid = getuid();
    gid_t gid = getgid();
    struct subid_range uids, gids;
    bool granted =
        subid_find("/etc/subuid", uid, &uids) == 0 && subid_find("/etc/subgid", uid, &gids) == 0;
    int rc = granted ? unshare_with_ranges(&uids, &gids, err) : unshare_both(err);
    if (rc < 0) return rc;
    if (!granted || rc == 1) {
        *ret_warning = mem_printf(
            "%s: only your own user exists in instances; packages that use others will fail",
            granted ? "newuidmap or newgidmap did not work (package uidmap)"
                    : "/etc/subuid and /etc/subgid grant you no ids");
        rc = map_self(uid, gid, err);
    }
    return rc < 0 ? rc : become_root(err);
}

int agent_enter_user_namespace(const char *run_dir, char **ret_warning, struct err *err) {
    *ret_warning = NULL;
    auto_close int shim = living_shim(run_dir);
    int rc = shim >= 0 ? join(shim, err) : enter_new(ret_warning, err);
    return rc < 0 ? err_while(err, "entering a user namespace") : 0;
}
