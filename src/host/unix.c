// SPDX-License-Identifier: Apache-2.0
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// A socket's path as its folder and name; the kernel is told /proc/self/fd/<folder>/<name> when
// the path is longer than sun_path.
struct place {
    int folder; // O_PATH, ours
    const char *name;
    struct sockaddr_un address;
    socklen_t size;
};

static void place_close(struct place *place) {
    if (place->folder >= 0) close(place->folder);
}

static int place_find(const char *path, struct place *ret) {
    *ret = (struct place){.folder = -1, .address.sun_family = AF_UNIX};
    const char *slash = strrchr(path, '/');
    ret->name = slash ? slash + 1 : path;
    if (!*ret->name) return -EISDIR;
    auto_free char *folder =
        slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
    ret->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (ret->folder < 0) return -errno;
    char *text = ret->address.sun_path;
    size_t room = sizeof(ret->address.sun_path);
    if (strlen(path) < room)
        snprintf(text, room, "%s", path);
    else if (snprintf(text, room, "/proc/self/fd/%d/%s", ret->folder, ret->name) >= (int)room)
        return -ENAMETOOLONG;
    ret->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text) + 1);
    return 0;
}

static int bind_to(int fd, const struct place *place) {
    return bind(fd, (const struct sockaddr *)&place->address, place->size) < 0 ? -errno : 0;
}

static int connect_to(int fd, const struct place *place) {
    int r;
    do r = connect(fd, (const struct sockaddr *)&place->address, place->size);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

// Left behind by a process that is gone: a socket (nothing else may be unlinked) that refuses.
static bool is_stale(const struct place *place, int type) {
    struct stat st;
    if (fstatat(place->folder, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT;
    if (!S_ISSOCK(st.st_mode)) return false;
    auto_close int probe = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return probe >= 0 && connect_to(probe, place) == -ECONNREFUSED;
}

static int bind_fresh(int fd, const struct place *place, int type, mode_t mode) {
    // The mode that bind uses comes from the socket: never wider than asked, not even for a moment.
    if (fchmod(fd, mode) < 0) return -errno;
    int r = bind_to(fd, place);
    if (r == -EADDRINUSE && is_stale(place, type)) {
        if (unlinkat(place->folder, place->name, 0) < 0 && errno != ENOENT) return -errno;
        r = bind_to(fd, place);
    }
    if (r < 0) return r;
    // The umask may have taken something away.
    if (fchmodat(place->folder, place->name, mode, 0) < 0) return -errno;
    return listen(fd, SOMAXCONN) < 0 ? -errno : 0;
}

int unix_listen(const char *path, int type, mode_t mode, int *ret_fd, struct err *err) {
    auto_call(place_close) struct place place;
    int r = place_find(path, &place);
    if (r < 0) return err_os(err, -r, path, "cannot place a socket there");
    auto_close int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return err_os(err, errno, path, "cannot make a socket");
    r = bind_fresh(fd, &place, type, mode);
    if (r == -EADDRINUSE) {
        err_set(err, ERR_STATE, EADDRINUSE, path, "the socket is served by another process");
        return err_next(err, "stop that process or choose another path");
    }
    if (r < 0) return err_os(err, -r, path, "cannot listen on the socket");
    *ret_fd = take_fd(fd);
    return 0;
}

int unix_connect(const char *path, int type, int *ret_fd, struct err *err) {
    auto_call(place_close) struct place place;
    int r = place_find(path, &place);
    auto_close int fd = -1;
    if (r == 0) {
        fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        r = fd < 0 ? -errno : connect_to(fd, &place);
    }
    if (r == -ENOENT || r == -ECONNREFUSED)
        return err_set(err, ERR_UNAVAILABLE, -r, path, "nobody listens on the socket");
    if (r < 0) return err_os(err, -r, path, "cannot connect to the socket");
    *ret_fd = take_fd(fd);
    return 0;
}

int unix_peer(int fd, struct peer *ret) {
    struct ucred cred;
    socklen_t size = sizeof(cred);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0) return -errno;
    *ret = (struct peer){cred.pid, cred.uid, cred.gid};
    return 0;
}
