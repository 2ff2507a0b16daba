// SPDX-License-Identifier: Apache-2.0
// The happy path is daemon_run: each step is one call, in the order that the rights ask for. While still root (if it is):
// directories, lock, listening socket, agent. Then the rights go, and only then are the database and requests touched.
#include "cloud/daemon.h"

#include "base/log.h"
#include "base/str.h"
#include "base/text.h"
#include "cloud/event.h"
#include "cloud/handlers.h"
#include "cloud/instance.h"
#include "cloud/operation.h"
#include "cloud/project.h"
#include "cloud/tokens.h"
#include "host/process.h"
#include "host/sandbox.h"
#include "wire/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define USER_NAME "trine"
// Without a user of that name: one of the range that service managers hand out at run time, owned by nobody.
#define USER_FALLBACK_ID 62020
#define RECOVERY_PATIENCE_NS \
    (10 * SEC_NS) // a supervisor that does not answer keeps nobody out for longer

struct daemon {
    struct cloud cloud;
    const struct daemon_options *options;
    char state_dir[2048], run_dir[2048 + 8];
    uid_t uid; // whom it becomes
    gid_t gid;
    struct http_tls *tls; // until it is served
    struct tokens *tokens;
    struct loop_source *patience;
    int lock_fd, listen_fd, agent_fd;
    int log_fd; // takes the place of standard error once requests are served; -1: standard error stays
};

// --- as root -------------------------------------------------------------------------------------------

static void choose_dirs(struct daemon *d) {
    const char *home = getenv("HOME"), *data = getenv("XDG_DATA_HOME"),
               *run = getenv("XDG_RUNTIME_DIR");
    if (d->options->state_dir)
        snprintf(d->state_dir, sizeof(d->state_dir), "%s", d->options->state_dir);
    else if (!d->cloud.rootless)
        snprintf(d->state_dir, sizeof(d->state_dir), "/var/lib/trine");
    else if (data && *data == '/')
        snprintf(d->state_dir, sizeof(d->state_dir), "%s/trine", data);
    else
        snprintf(d->state_dir, sizeof(d->state_dir), "%s/.local/share/trine", home ? home : "/tmp");
    if (d->options->run_dir)
        snprintf(d->run_dir, sizeof(d->run_dir), "%s", d->options->run_dir);
    else if (!d->cloud.rootless)
        snprintf(d->run_dir, sizeof(d->run_dir), "/run/trine");
    else if (run && *run == '/')
        snprintf(d->run_dir, sizeof(d->run_dir), "%s/trine", run);
    else
        snprintf(d->run_dir, sizeof(d->run_dir), "%s/run", d->state_dir);
    d->cloud.state_dir = d->state_dir;
    d->cloud.run_dir = d->run_dir;
}

static void choose_user(struct daemon *d) {
    d->uid = geteuid();
    d->gid = getegid();
    if (d->cloud.rootless) return;
    const struct passwd *user = getpwnam(USER_NAME);
    d->uid = user ? user->pw_uid : USER_FALLBACK_ID;
    d->gid = user ? user->pw_gid : USER_FALLBACK_ID;
}

// The user may be another one than last time (one named "trine" was added). Only what cannot stand for a file of
// somebody else is given away: no links of either kind.
static int give_file(int dirfd, const char *name, void *arg) {
    const struct daemon *d = arg;
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
        st.st_nlink != 1)
        return 0;
    return fchownat(dirfd, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int make_dirs(struct daemon *d, struct err *err) {
    char path[4200];
    mode_t mode = d->cloud.rootless ? 0700 : 0711;
    int rc = dir_make(AT_FDCWD, d->state_dir, mode, err);
    if (rc == 0) rc = dir_make(AT_FDCWD, d->run_dir, mode, err);
    snprintf(path, sizeof(path), "%s/%s", d->state_dir, LAYOUT_CONTROL);
    if (rc == 0) rc = dir_make(AT_FDCWD, path, 0700, err);
    if (rc < 0 || d->cloud.rootless) return rc;
    rc = chown(path, d->uid, d->gid) < 0 ? -errno : dir_each(AT_FDCWD, path, give_file, d);
    return rc < 0 ? err_os(err, -rc, path, "cannot give it to user %u", d->uid) : 0;
}

static int take_lock(struct daemon *d, struct err *err) {
    char path[4200];
    // The state is what must not be shared; two run directories over one state meet here.
    snprintf(path, sizeof(path), "%s/%s", d->state_dir, LAYOUT_DAEMON_LOCK);
    int rc = file_lock(AT_FDCWD, path, &d->lock_fd, err);
    if (rc < 0 && err && err->kind == ERR_STATE)
        return err_next(err,
                        "a daemon serves %s already: use it, or give --state another directory",
                        d->state_dir);
    return rc;
}

static int open_log(struct daemon *d, struct err *err) {
    if (!d->options->background) return 0;
    char path[4200];
    snprintf(path, sizeof(path), "%s/daemon.log", d->state_dir);
    d->log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    return d->log_fd < 0 ? err_os(err, errno, path, "cannot write the log there") : 0;
}

static int open_listener(struct daemon *d, struct err *err) {
    char path[4200];
    snprintf(path, sizeof(path), "%s/%s", d->run_dir, LAYOUT_API_SOCKET);
    int rc = unix_listen(path, SOCK_STREAM, 0660, &d->listen_fd, err);
    if (rc < 0 || d->cloud.rootless) return rc;
    const struct group *group = getgrnam(USER_NAME);
    if (group && chown(path, 0, group->gr_gid) < 0)
        return err_os(err, errno, path, "cannot set its group");
    return 0;
}

static int start_agent(struct daemon *d, struct err *err) {
    char path[4096], uid[16], gid[16];
    int ends[2];
    if (!process_role_path("trine-agent", path, sizeof(path))) {
        err_set(err, ERR_NOT_FOUND, 0, "trine-agent", "the role's program is not installed");
        return err_next(err, "reinstall Trine: 'make install' puts every role in one folder");
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return err_os(err, errno, "agent", "cannot make its connection");
    snprintf(uid, sizeof(uid), "%u", d->uid);
    snprintf(gid, sizeof(gid), "%u", d->gid);
    char *argv[] = {(char *)"trine-agent",
                    (char *)"--state",
                    d->state_dir,
                    (char *)"--run",
                    d->run_dir,
                    (char *)"--control",
                    (char *)"3",
                    (char *)"--daemon-uid",
                    uid,
                    (char *)"--daemon-gid",
                    gid,
                    (char *)(d->cloud.rootless ? "--rootless" : NULL),
                    NULL};
    struct process_fd fds[] = {{ends[1], 3}, {d->log_fd >= 0 ? d->log_fd : 2, 2}};
    struct process_spec spec = {.path = path, .argv = argv, .fds = fds, .n_fds = 2};
    pid_t pid;
    int rc = process_spawn(&spec, &pid, NULL, err);
    close(ends[1]);
    if (rc == 0) rc = wire_handshake(ends[0], "daemon", "agent", err);
    if (rc < 0) {
        close(ends[0]);
        return err_while(err, "starting the agent");
    }
    d->agent_fd = ends[0];
    return 0;
}

// From here on: no privileges, no new ones, files only below the control directory, none of the calls that reach into
// other processes or the kernel. A hijacked daemon can still speak to its agent, whose verbs are the limit then.
static int open_tls(struct daemon *d, struct err *err) {
    const struct daemon_options *o = d->options;
    char address[256];
    snprintf(address, sizeof(address), "%s", o->tls_listen);
    char *colon = strrchr(address, ':');
    uint64_t port = 0;
    if (!colon || text_parse_u64("port", colon + 1, 1, 65535, &port, NULL) < 0)
        return err_set(err, ERR_INVALID, 0, o->tls_listen, "is not ADDRESS:PORT");
    *colon = 0;
    return http_tls_open(address, (uint16_t)port, o->tls_cert, o->tls_key, &d->tls, err);
}

static int give_up_rights(struct daemon *d, struct err *err) {
    static const char *const denied[] = {"ptrace",
                                         "process_vm_readv",
                                         "process_vm_writev",
                                         "mount",
                                         "umount2",
                                         "pivot_root",
                                         "kexec_load",
                                         "init_module",
                                         "finit_module",
                                         "delete_module",
                                         "reboot",
                                         "swapon",
                                         "bpf",
                                         "perf_event_open",
                                         "keyctl",
                                         "add_key",
                                         "request_key",
                                         "setns",
                                         "unshare",
                                         "open_by_handle_at",
                                         "userfaultfd",
                                         "execve",
                                         "execveat"};
    char control[4200];
    snprintf(control, sizeof(control), "%s/%s", d->state_dir, LAYOUT_CONTROL);
    const struct sandbox_path paths[] = {
        {control, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_MAKE},
        {"/proc", SANDBOX_READ},
        {"/sys/fs/cgroup", SANDBOX_READ},
        {"/dev/null", SANDBOX_READ | SANDBOX_WRITE},
        {"/dev/urandom", SANDBOX_READ},
        {"/etc/localtime", SANDBOX_READ},
    };
    bool enforced;
    int rc = sandbox_no_new_privs(err);
    if (rc == 0) rc = sandbox_landlock(paths, array_len(paths), &enforced, err);
    if (rc == 0 && !d->cloud.rootless) rc = sandbox_set_user(d->uid, d->gid, err);
    if (rc == 0 && !d->cloud.rootless) rc = sandbox_drop_capabilities(0, err);
    if (rc == 0) rc = sandbox_seccomp_deny(denied, array_len(denied), err);
    return rc < 0 ? err_while(err, "giving up privileges") : 0;
}

// --- unprivileged --------------------------------------------------------------------------------------

static void on_agent_lost(struct wire_channel *channel, void *arg) {
    struct daemon *d = arg;
    d->cloud.agent = NULL;
    wire_channel_free(channel);
    LOG_ERROR("the agent has gone; this daemon ends", "instances=untouched");
    loop_stop(d->cloud.loop, err_kind_exit(ERR_UNAVAILABLE));
}

int cloud_ask_agent(struct cloud *cloud, enum wire_id id, const void *message, const int *fds,
                    size_t n_fds, wire_answer_fn *fn, void *arg, uint32_t *ret_seq,
                    struct err *err) {
    if (cloud->agent)
        return wire_channel_call(cloud->agent, id, message, fds, n_fds, fn, arg, ret_seq, err);
    err_set(err, ERR_UNAVAILABLE, 0, "agent", "it has gone");
    return err_next(err, "start the daemon again; instances have not been touched");
}

static int open_state(struct daemon *d, struct err *err) {
    char path[4200];
    snprintf(path, sizeof(path), "%s/%s", d->state_dir, LAYOUT_DATABASE);
    int rc = store_open_sqlite(path, d->cloud.clock, &d->cloud.store, err);
    if (rc == 0) rc = events_open(&d->cloud, err);
    if (rc == 0) rc = objects_open(&d->cloud, err);
    if (rc == 0) rc = operations_open(&d->cloud, err);
    if (rc == 0) rc = projects_open(&d->cloud, err);
    if (rc == 0) rc = instances_open(&d->cloud, err);
    return rc < 0 ? err_while(err, "opening the state in %s", d->state_dir) : 0;
}

static void on_end_signal(int signo, void *arg) {
    struct daemon *d = arg;
    LOG_INFO("ending; instances go on", "signal=%s", process_signal_name(signo));
    loop_stop(d->cloud.loop, 0);
}

// The readiness protocol of service managers (sd_notify(3)): one datagram to $NOTIFY_SOCKET.
static void notify_manager(void) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof(address.sun_path)) return;
    memcpy(address.sun_path, path, strlen(path));
    if (*path == '@') address.sun_path[0] = 0;
    int fd auto_close = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (fd >= 0 && sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (void *)&address, size) < 0)
        LOG_WARN("cannot tell the service manager", "socket=%s", path);
}

static void tell_ready(struct daemon *d) {
    LOG_INFO("serving", "socket=%s/%s state=%s instances=%zu", d->run_dir, LAYOUT_API_SOCKET,
             d->state_dir, object_count(d->cloud.objects, OBJECT_INSTANCE, NULL));
    if (d->log_fd >= 0) dup2(d->log_fd, STDERR_FILENO);
    notify_manager();
    if (d->options->ready_fd >= 0) {
        file_write_all(d->options->ready_fd, "1", 1);
        close(d->options->ready_fd);
    }
}

static int open_api(struct daemon *d, struct err *err) {
    int rc = http_listen_unix(d->cloud.http, take_fd(d->listen_fd), err);
    if (rc == 0 && d->tls)
        rc = http_listen_tls(d->cloud.http, take(d->tls), tokens_check, d->tokens, err);
    return rc < 0 ? err_while(err, "opening the API") : 0;
}

// Requests are answered once it is known what runs: until then clients wait in the socket's queue.
static void serve(void *arg) {
    struct daemon *d = arg;
    struct err err = {0};
    if (!d->patience) return; // has been done
    loop_remove(take(d->patience));
    if (d->cloud.recovering)
        LOG_WARN("not all instances have told how they are", "missing=%zu", d->cloud.recovering);
    if (open_api(d, &err) == 0) {
        tell_ready(d);
        return;
    }
    err_print(&err);
    loop_stop(d->cloud.loop, err_kind_exit(err.kind));
}

static void on_recovered(struct cloud *cloud) {
    serve(container_of(cloud, struct daemon, cloud));
}

static int recover(struct daemon *d, struct err *err) {
    const struct http_config config = {.handlers = cloud_handlers,
                                       .arg = &d->cloud,
                                       .server_version = TRINE_VERSION};
    int64_t latest = clock_monotonic(d->cloud.clock) + RECOVERY_PATIENCE_NS;
    d->cloud.recovered = on_recovered;
    int rc = http_server_new(d->cloud.loop, &config, &d->cloud.http, err);
    if (rc == 0) rc = loop_add_timer(d->cloud.loop, latest, serve, d, &d->patience, err);
    return rc < 0 ? rc : instances_recover(&d->cloud, err);
}

// Clients first: whoever waits for something is told by the end of the connection.
static void daemon_close(struct daemon *d) {
    http_server_free(d->cloud.http);
    http_tls_free(d->tls);
    instances_close(&d->cloud);
    operations_free(d->cloud.operations);
    objects_free(d->cloud.objects);
    events_free(d->cloud.events);
    store_close(d->cloud.store);
    wire_channel_free(d->cloud.agent);
    loop_free(d->cloud.loop);
    if (d->listen_fd >= 0) close(d->listen_fd);
    if (d->lock_fd >= 0) close(d->lock_fd);
    if (d->log_fd >= 0) close(d->log_fd);
}

int daemon_run(const struct daemon_options *options, struct err *err) {
    struct daemon d = {
        .options = options, .lock_fd = -1, .listen_fd = -1, .agent_fd = -1, .log_fd = -1};
    d.cloud.clock = clock_system();
    d.cloud.rootless = geteuid() != 0;
    d.cloud.started_ns = clock_realtime(d.cloud.clock);
    choose_dirs(&d);
    choose_user(&d);
    int rc = make_dirs(&d, err);
    if (rc == 0) rc = take_lock(&d, err);
    if (rc == 0) rc = open_log(&d, err);
    if (rc == 0) rc = open_listener(&d, err);
    if (rc == 0 && options->tls_tokens) rc = tokens_read(options->tls_tokens, &d.tokens, err);
    if (rc == 0 && options->tls_listen) rc = open_tls(&d, err);
    if (rc == 0) rc = start_agent(&d, err);
    if (rc == 0) rc = give_up_rights(&d, err);
    if (rc == 0) rc = loop_new(d.cloud.clock, &d.cloud.loop, err);
    if (rc == 0) rc = loop_add_signal(d.cloud.loop, SIGTERM, on_end_signal, &d, err);
    if (rc == 0) rc = loop_add_signal(d.cloud.loop, SIGINT, on_end_signal, &d, err);
    if (rc == 0)
        rc = wire_channel_new(d.cloud.loop, take_fd(d.agent_fd), NULL, on_agent_lost, &d,
                              &d.cloud.agent, err);
    if (rc == 0) rc = open_state(&d, err);
    if (rc == 0) rc = recover(&d, err);
    if (rc == 0) rc = loop_run(d.cloud.loop, err);
    daemon_close(&d);
    tokens_free(d.tokens);
    return rc < 0 && err ? err_kind_exit(err->kind) : rc;
}
