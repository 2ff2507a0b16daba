// SPDX-License-Identifier: Apache-2.0
// The agent's directories (wire/layout.h). What stands below the two top ones is the agent's alone,
// but for the daemon's own socket, lock and control directory; so nobody else may write in them.
// Nor walk through the trees of images, instances and volumes: what is set-id or has capabilities
// there, or a node of a device, is that on the host as well.
#include "cloud/agent/agent_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int open_dir(int parent, const char *path, int *ret_fd, struct err *err) {
    *ret_fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*ret_fd >= 0) return 0;
    return err_os(err, errno, path, "cannot open the directory");
}

// A top directory: made if missing; else it must be ours.
static int open_top(const struct agent_options *options, const char *path, char **ret_path,
                    int *ret_fd, struct err *err) {
    // Others pass through to the API's socket; a user's own directories are nobody else's.
    int rc = dir_make(AT_FDCWD, path, options->rootless ? 0700 : 0711, err);
    if (rc < 0) return rc;
    *ret_path = realpath(path, NULL);
    if (!*ret_path) return err_os(err, errno, path, "cannot resolve the directory");
    if (strpbrk(*ret_path, ",:\\\"'\n\t ")) {
        err_set(err, ERR_INVALID, 0, path, "the path holds a character that mount options cannot");
        return err_next(err, "choose a directory without space, comma, colon, quote and backslash");
    }
    rc = open_dir(AT_FDCWD, *ret_path, ret_fd, err);
    if (rc < 0) return rc;
    struct stat st;
    if (fstat(*ret_fd, &st) < 0) return err_os(err, errno, path, "cannot look at the directory");
    if (st.st_uid != geteuid()) {
        err_set(err, ERR_DENIED, 0, path, "the directory belongs to user %u", (unsigned)st.st_uid);
        return err_next(err, "give it to the user who runs Trine, or choose another one");
    }
    if (st.st_mode & 022 && fchmod(*ret_fd, st.st_mode & 07755) < 0)
        return err_os(err, errno, path, "cannot keep others from writing in the directory");
    return 0;
}

// A directory of the agent's own: real, and nobody else's.
static int open_own(int top, const char *name, mode_t mode, int *ret_fd, struct err *err) {
    if (mkdirat(top, name, mode) < 0 && errno != EEXIST)
        return err_os(err, errno, name, "cannot make the directory");
    int rc = open_dir(top, name, ret_fd, err);
    if (rc < 0) return rc;
    struct stat st;
    if (fstat(*ret_fd, &st) < 0 || st.st_uid != geteuid())
        return err_set(err, ERR_DENIED, 0, name, "the directory is not the agent's");
    return fchmod(*ret_fd, mode) < 0 ? err_os(err, errno, name, "cannot set its mode") : 0;
}

int layout_open(struct agent *agent, struct err *err) {
    const struct agent_options *o = agent->options;
    agent->run_fd = agent->state_fd = -1;
    agent->run_instances_fd = agent->state_instances_fd = agent->volumes_fd = -1;
    int images = -1, seccomp = -1;
    int rc = open_top(o, o->run_dir, &agent->run_dir, &agent->run_fd, err);
    if (rc == 0) rc = open_top(o, o->state_dir, &agent->state_dir, &agent->state_fd, err);
    if (rc == 0)
        rc = open_own(agent->run_fd, LAYOUT_INSTANCES, 0700, &agent->run_instances_fd, err);
    if (rc == 0) rc = open_own(agent->run_fd, LAYOUT_SECCOMP_CACHE, 0700, &seccomp, err);
    if (rc == 0)
        rc = open_own(agent->state_fd, LAYOUT_INSTANCES, 0700, &agent->state_instances_fd, err);
    if (rc == 0) rc = open_own(agent->state_fd, LAYOUT_VOLUMES, 0700, &agent->volumes_fd, err);
    if (rc == 0) rc = open_own(agent->state_fd, LAYOUT_IMAGES, 0700, &images, err);
    if (images >= 0) close(images);
    if (seccomp >= 0) close(seccomp);
    return rc;
}

void layout_close(struct agent *agent) {
    int *fds[] = {&agent->run_fd, &agent->state_fd, &agent->run_instances_fd,
                  &agent->state_instances_fd, &agent->volumes_fd};
    for (size_t i = 0; i < array_len(fds); i++)
        if (*fds[i] >= 0) close(take_fd(*fds[i]));
    free(agent->state_dir);
    free(agent->run_dir);
}
