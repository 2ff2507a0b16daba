// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include "base/str.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/process.h"
#include "wire/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 10000
#define GROUP "trine-test-%d"

char harness_dir[64];
const char *harness_shim;
static unsigned next_id;
static pid_t harness_pid;
static const char *const cgroup_roots[] = {"",         "/pids",    "/memory",  "/freezer",
                                           "/devices", "/cpu",     "/cpuacct", "/blkio",
                                           "/cpuset",  "/systemd", "/unified"};

static int count_entry(int dirfd, const char *name, void *arg) {
    ++*(int *)arg;
    return 0;
}

static int count_dir(const char *path) {
    int n = 0;
    dir_each(AT_FDCWD, path, count_entry, &n);
    return n;
}

static int count_mounts(void) {
    char *text auto_free = NULL;
    size_t size;
    int n = 0;
    if (file_read(AT_FDCWD, "/proc/self/mountinfo", 16u << 20, &text, &size, NULL) < 0) return -1;
    for (const char *at = text; (at = strchr(at, '\n')); at++) n++;
    return n;
}

int harness_main_check(int argc, char **argv) {
    static char path[PATH_MAX];
    if (argc == 2 || argc == 3) harness_shim = realpath(argv[1], path);
    if (!harness_shim) { // a path that holds in every directory: supervisors start in their own
        fprintf(stderr, "usage: %s TRINE-SHIM [PATTERN]\n", argv[0]);
        return 2;
    }
    if (argc == 3) cmocka_set_test_filter(argv[2]);
    const char *why = geteuid() != 0                     ? "needs root"
                      : access("/bin/busybox", X_OK) < 0 ? "needs the package busybox-static"
                                                         : NULL;
    if (why) fprintf(stderr, "skipped: %s\n", why);
    return why ? 77 : 0;
}

static void make_rootfs(void) {
    static const char *const dirs[] = {"bin", "proc", "dev", "tmp", "etc"};
    static const char *const applets[] = {"sh",   "cat",  "sleep", "true", "false", "stty", "dd",
                                          "head", "yes",  "seq",   "echo", "id",    "tr",   "wc",
                                          "kill", "stat", "tail",  "env",  "grep",  "ls"};
    char path[160];
    for (size_t i = 0; i < array_len(dirs); i++) {
        snprintf(path, sizeof(path), "%s/rootfs/%s", harness_dir, dirs[i]);
        assert_int_equal(dir_make(AT_FDCWD, path, 0755, NULL), 0);
    }
    char *copy[] = {(char *)"/bin/cp", (char *)"/bin/busybox", path, NULL};
    snprintf(path, sizeof(path), "%s/rootfs/bin/busybox", harness_dir);
    char *output auto_free = NULL;
    assert_int_equal(process_run(copy, 4096, true, &output, NULL), 0);
    for (size_t i = 0; i < array_len(applets); i++) {
        snprintf(path, sizeof(path), "%s/rootfs/bin/%s", harness_dir, applets[i]);
        assert_int_equal(symlink("busybox", path), 0);
    }
    static const char *const files[][2] = {
        {"etc/passwd", "root:x:0:0::/:/bin/sh\nguest:x:1000:1001::/tmp:/bin/sh\n"},
        {"bin/bad-interpreter", "#!/no/such/shell\n"},
        {"bin/bad-format", "\177ELF and then nothing of it"},
    };
    for (size_t i = 0; i < array_len(files); i++) {
        snprintf(path, sizeof(path), "%s/rootfs/%s", harness_dir, files[i][0]);
        mode_t mode = i == 0 ? 0644 : 0755;
        assert_int_equal(file_write_atomic(AT_FDCWD, path, files[i][1], strlen(files[i][1]), mode,
                                           NULL),
                         0);
    }
}

int harness_setup(void **state) {
    signal(SIGPIPE, SIG_IGN);
    strcpy(harness_dir,
           access("/dev/shm", W_OK) == 0 ? "/dev/shm/trine-test-XXXXXX" : "/tmp/trine-test-XXXXXX");
    harness_pid = getpid();
    if (!mkdtemp(harness_dir)) return -1;
    make_rootfs();
    return 0;
}

int harness_teardown(void **state) {
    for (size_t i = 0; i < array_len(cgroup_roots); i++) {
        char *dir auto_free =
            mem_printf("/sys/fs/cgroup%s/" GROUP, cgroup_roots[i], (int)harness_pid);
        if (rmdir(dir) < 0 && errno != ENOENT) return -1;
    }
    return dir_remove_tree(AT_FDCWD, harness_dir, NULL);
}

static int fds_before, mounts_before;
static char last_cgroup[64];

int case_setup(void **state) {
    fds_before = count_dir("/proc/self/fd");
    mounts_before = count_mounts();
    return 0;
}

// A case that failed half-way must not spoil the next one.
static void end_children(void) {
    char *path auto_free = mem_printf("/proc/self/task/%d/children", (int)getpid());
    char *text auto_free = NULL;
    size_t size = 0;
    if (file_read(AT_FDCWD, path, 4096, &text, &size, NULL) < 0) return;
    for (char *at = text, *end; *at; at = end) {
        pid_t pid = (pid_t)strtol(at, &end, 10);
        if (end == at) break;
        fprintf(stderr, "left behind: process %d\n", (int)pid);
        kill(pid, SIGKILL);
    }
    while (wait(NULL) > 0) continue;
    cgroup_clear(last_cgroup);
}

int case_teardown(void **state) {
    int fds = count_dir("/proc/self/fd"), mounts = count_mounts();
    bool children = waitpid(-1, NULL, WNOHANG) >= 0;
    if (children) end_children();
    if (fds != fds_before || mounts != mounts_before)
        fprintf(stderr, "left behind: descriptors %d -> %d, mounts %d -> %d\n", fds_before, fds,
                mounts_before, mounts);
    return children || fds != fds_before || mounts != mounts_before ? -1 : 0;
}

void cgroup_clear(const char *path) {
    struct cgroup_host *host;
    struct cgroup *cg;
    assert_int_equal(cgroup_host_open(&host, NULL), 0);
    if (cgroup_open(host, path, &cg, NULL) == 0) {
        assert_int_equal(cgroup_destroy(cg, NULL), 0);
        cgroup_close(cg);
    }
    cgroup_host_free(host);
}

// ---- the bundle

static json_t *mount_entry(const char *destination, const char *type, const char *option) {
    return json_pack("{s:s,s:s,s:s,s:[s]}", "destination", destination, "type", type, "source",
                     type, "options", option);
}

static void write_config(const struct shim *shim, const struct shim_spec *spec) {
    json_t *args = json_array();
    const char *const script[] = {"/bin/sh", "-c", spec->script, NULL};
    for (const char *const *arg = spec->script ? script : spec->args; *arg; arg++)
        json_array_append_new(args, json_string(*arg));
    json_t *namespaces = json_array();
    static const char *const types[] = {"pid", "mount", "ipc", "uts", "network"};
    for (size_t i = 0; i < array_len(types); i++)
        json_array_append_new(namespaces, json_pack("{s:s}", "type", types[i]));
    json_t *resources = json_object();
    if (spec->memory_max_bytes)
        json_object_set_new(resources, "memory",
                            json_pack("{s:I,s:I}", "limit", (json_int_t)spec->memory_max_bytes,
                                      "swap", (json_int_t)spec->memory_max_bytes));
    char *rootfs auto_free = mem_printf("%s/rootfs", harness_dir);
    json_t *config = json_pack(
        "{s:s, s:{s:b, s:{s:i,s:i}, s:o, s:[ss], s:s}, s:{s:s,s:b}, s:s, s:[oooo], s:{s:o,s:o}}",
        "ociVersion", "1.0.2", "process", "terminal", spec->terminal, "user", "uid", 0, "gid", 0,
        "args", args, "env", "PATH=/bin", "KIND=own", "cwd", spec->broken ? "not/absolute" : "/",
        "root", "path", rootfs, "readonly", 1, "hostname", "shim-test", "mounts",
        mount_entry("/proc", "proc", "nosuid"), mount_entry("/dev", "tmpfs", "mode=755"),
        mount_entry("/dev/pts", "devpts", "newinstance"), mount_entry("/tmp", "tmpfs", "mode=777"),
        "linux", "namespaces", namespaces, "resources", resources);
    assert_non_null(config);
    char *path auto_free = mem_printf("%s/%s", shim->dir, LAYOUT_CONFIG);
    assert_int_equal(json_dump_file(config, path, 0), 0);
    json_decref(config);
}

// ---- the supervisor

static void spawn_process(struct shim *shim, const struct shim_spec *spec, int control) {
    struct strv argv = {0};
    const char *const fixed[] = {harness_shim, "--id",    shim->id,   "--dir",     shim->dir,
                                 "--log",      shim->log, "--cgroup", shim->cgroup};
    for (size_t i = 0; i < array_len(fixed); i++) strv_add(&argv, fixed[i]);
    strv_printf(&argv, "--log-max=%llu", (unsigned long long)spec->log_max_bytes);
    strv_printf(&argv, "--log-files=%u", spec->log_files);
    if (spec->terminal) strv_add(&argv, "--terminal");
    if (spec->input) strv_add(&argv, "--stdin");
    const struct process_fd fds[] = {{control, 3}, {STDERR_FILENO, 2}};
    struct process_spec process = {.path = harness_shim,
                                   .argv = argv.items,
                                   .cwd = shim->dir,
                                   .fds = fds,
                                   .n_fds = array_len(fds),
                                   .new_session = true};
    struct err err = {0};
    if (process_spawn(&process, &shim->pid, NULL, &err) < 0) err_print(&err);
    assert_int_equal(err.kind, ERR_NONE);
    strv_free(&argv);
}

int shim_spawn(struct shim *shim, const struct shim_spec *spec) {
    *shim = (struct shim){.control = -1};
    snprintf(shim->id, sizeof(shim->id), "t%d-%u", (int)getpid(), next_id++);
    snprintf(shim->dir, sizeof(shim->dir), "%s/instances/%s", harness_dir, shim->id);
    snprintf(shim->log, sizeof(shim->log), "%s/log", shim->dir);
    snprintf(shim->cgroup, sizeof(shim->cgroup), GROUP "/%u", (int)harness_pid, next_id);
    strcpy(last_cgroup, shim->cgroup);
    assert_int_equal(dir_make(AT_FDCWD, shim->dir, 0700, NULL), 0);
    write_config(shim, spec);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    spawn_process(shim, spec, pair[1]);
    close(pair[1]);
    shim->control = pair[0];
    int rc = wire_handshake(shim->control, "agent", "shim", &shim->err);
    if (rc < 0) close(take_fd(shim->control));
    return rc;
}

int shim_connect(const struct shim *shim) {
    char *path auto_free = mem_printf("%s/%s", shim->dir, LAYOUT_SHIM_SOCKET);
    int sock = -1;
    struct err err = {0};
    if (unix_connect(path, SOCK_SEQPACKET, &sock, &err) < 0 ||
        wire_handshake(sock, "daemon", "shim", &err) < 0)
        err_print(&err);
    assert_int_equal(err.kind, ERR_NONE);
    return sock;
}

static void ask(int control, enum wire_id id, const void *message, enum wire_id answer,
                struct wire_packet *ret) {
    struct err err = {0};
    if (wire_call(control, id, message, NULL, 0, answer, WAIT_MS, ret, &err) < 0) err_print(&err);
    assert_int_equal(err.kind, ERR_NONE);
}

int shim_ask(int control, enum wire_id id, const void *message, struct err *err) {
    struct wire_packet packet;
    int rc = wire_call(control, id, message, NULL, 0, WIRE_OK, WAIT_MS, &packet, err);
    if (rc == 0) wire_packet_done(&packet);
    return rc;
}

static void expect_state(struct wire_packet *packet, const char *state) {
    struct arena *arena auto_arena = arena_new(8192);
    struct wire_shim_state message;
    assert_int_equal(packet->id, WIRE_SHIM_STATE);
    assert_int_equal(wire_decode_shim_state(packet->payload, arena, &message, NULL), 0);
    wire_packet_done(packet);
    assert_string_equal(message.state, state);
}

void shim_start(struct shim *shim) {
    struct wire_packet packet;
    ask(shim->control, WIRE_SHIM_START, &(struct wire_shim_start){0}, WIRE_SHIM_STATE, &packet);
    expect_state(&packet, "running");
}

void shim_expect_state(int control, const char *state) {
    struct wire_packet packet;
    ask(control, WIRE_SHIM_QUERY, &(struct wire_shim_query){0}, WIRE_SHIM_STATE, &packet);
    expect_state(&packet, state);
}

void shim_expect_announced(int control, const char *state) {
    struct wire_packet packet;
    assert_int_equal(wire_receive(control, WAIT_MS, &packet, NULL), 0);
    assert_int_equal(packet.seq, 0);
    expect_state(&packet, state);
}

pid_t shim_init_pid(struct shim *shim) {
    struct arena *arena auto_arena = arena_new(8192);
    struct wire_packet packet;
    struct wire_shim_state message;
    ask(shim->control, WIRE_SHIM_QUERY, &(struct wire_shim_query){0}, WIRE_SHIM_STATE, &packet);
    assert_int_equal(wire_decode_shim_state(packet.payload, arena, &message, NULL), 0);
    wire_packet_done(&packet);
    return (pid_t)message.pid;
}

struct wire_shim_figures shim_stats(struct shim *shim) {
    struct wire_packet packet;
    struct wire_shim_figures figures;
    ask(shim->control, WIRE_SHIM_STATS, &(struct wire_shim_stats){0}, WIRE_SHIM_FIGURES, &packet);
    assert_int_equal(wire_decode_shim_figures(packet.payload, NULL, &figures, NULL), 0);
    wire_packet_done(&packet);
    return figures;
}

void shim_signal(struct shim *shim, int signo, bool all) {
    struct err err = {0};
    struct wire_shim_signal message = {.signo = (uint32_t)signo, .all = all};
    if (shim_ask(shim->control, WIRE_SHIM_SIGNAL, &message, &err) < 0) err_print(&err);
    assert_int_equal(err.kind, ERR_NONE);
}

int shim_attach(struct shim *shim, bool input, bool output, bool replay) {
    struct wire_shim_attach message = {.input = input, .output = output, .replay = replay};
    struct wire_packet packet;
    ask(shim->control, WIRE_SHIM_ATTACH, &message, WIRE_SHIM_STREAM, &packet);
    int sock = wire_packet_take_fd(&packet, 0);
    wire_packet_done(&packet);
    assert_true(sock >= 0);
    return sock;
}

struct wire_shim_exec exec_of(const char *script) {
    static const char *args[3] = {"sh", "-c"};
    args[2] = script;
    return (struct wire_shim_exec){.args = {args, 3}};
}

int shim_exec(struct shim *shim, const struct wire_shim_exec *request, struct err *err) {
    struct wire_packet packet;
    int rc = wire_call(shim->control, WIRE_SHIM_EXEC, request, NULL, 0, WIRE_SHIM_STREAM, WAIT_MS,
                       &packet, err);
    if (rc < 0) return rc;
    int sock = wire_packet_take_fd(&packet, 0);
    wire_packet_done(&packet);
    assert_true(sock >= 0);
    return sock;
}

static void read_record(const struct shim *shim, struct exit_record *ret) {
    char *path auto_free = mem_printf("%s/%s", shim->dir, LAYOUT_EXIT);
    json_t *json = json_load_file(path, 0, NULL);
    assert_non_null(json);
    json_int_t version, started, finished;
    const char *failure;
    int oom;
    assert_int_equal(json_unpack(json, "{s:I,s:i,s:b,s:I,s:I,s:s!}", "version", &version,
                                 "exit_code", &ret->exit_code, "oom_killed", &oom, "started_ns",
                                 &started, "finished_ns", &finished, "failure", &failure),
                     0);
    assert_int_equal(version, 1);
    ret->oom_killed = oom;
    ret->started_ns = started;
    ret->finished_ns = finished;
    snprintf(ret->failure, sizeof(ret->failure), "%s", failure);
    json_decref(json);
}

int shim_end(struct shim *shim, struct exit_record *ret) {
    struct pollfd p = {.fd = process_pidfd(shim->pid), .events = POLLIN};
    int ended = poll(&p, 1, 6 * WAIT_MS);
    close(p.fd);
    if (ended != 1) kill(shim->pid, SIGKILL);
    int rc = process_wait(shim->pid);
    assert_int_equal(ended, 1);
    if (shim->control >= 0) close(take_fd(shim->control));
    assert_false(cgroup_exists(shim->cgroup));
    if (ret) {
        read_record(shim, ret);
        char *sock auto_free = mem_printf("%s/%s", shim->dir, LAYOUT_SHIM_SOCKET);
        assert_int_equal(access(sock, F_OK), -1);
    }
    assert_int_equal(dir_remove_tree(AT_FDCWD, shim->dir, NULL), 0);
    return rc;
}

char *shim_log(const struct shim *shim) {
    char *text = NULL;
    size_t size;
    assert_int_equal(file_read(AT_FDCWD, shim->log, 64u << 20, &text, &size, NULL), 0);
    return text;
}

// ---- streams

void stream_send(int sock, enum stream_channel channel, const void *data, size_t size) {
    uint8_t frame[STREAM_FRAME_MAX];
    frame[0] = (uint8_t)channel;
    memcpy(frame + 1, data, size);
    assert_int_equal(send(sock, frame, size + 1, 0), size + 1);
}

static void append(char **text, size_t *len, const void *data, size_t size) {
    *text = realloc(*text, *len + size + 1);
    memcpy(*text + *len, data, size);
    *len += size;
    (*text)[*len] = 0;
}

void stream_collect(int sock, struct output *ret) {
    static uint8_t frame[STREAM_FRAME_MAX];
    *ret = (struct output){.exit_code = -1};
    append(&ret->out, &ret->n_out, "", 0);
    append(&ret->err, &ret->n_err, "", 0);
    struct pollfd p = {.fd = sock, .events = POLLIN};
    while (poll(&p, 1, 6 * WAIT_MS) == 1) {
        ssize_t n = recv(sock, frame, sizeof(frame), 0);
        if (n <= 0) break;
        assert_int_equal(ret->exit_code, -1); // EXIT is the last
        if (frame[0] == STREAM_OUT) append(&ret->out, &ret->n_out, frame + 1, (size_t)n - 1);
        if (frame[0] == STREAM_ERR) append(&ret->err, &ret->n_err, frame + 1, (size_t)n - 1);
        if (frame[0] == STREAM_EXIT) {
            assert_true(n >= 5);
            ret->exit_code = frame[1] | frame[2] << 8 | frame[3] << 16 | frame[4] << 24;
        }
    }
    close(sock);
}

static void expect(int sock, const char *text, bool more) {
    static uint8_t frame[STREAM_FRAME_MAX];
    struct pollfd p = {.fd = sock, .events = POLLIN};
    for (size_t got = 0, want = strlen(text); got < want;) {
        assert_int_equal(poll(&p, 1, WAIT_MS), 1);
        ssize_t n = recv(sock, frame, sizeof(frame), 0);
        assert_true(n > 1);
        assert_int_equal(frame[0], STREAM_OUT);
        size_t size = (size_t)n - 1;
        if (more && size > want - got) size = want - got;
        assert_true(size <= want - got);
        assert_memory_equal(frame + 1, text + got, size);
        got += size;
    }
}

void stream_expect(int sock, const char *text) {
    expect(sock, text, false);
}

void stream_expect_start(int sock, const char *text) {
    expect(sock, text, true);
}

void output_free(struct output *output) {
    free(take(output->out));
    free(take(output->err));
}

// ---- the host

bool cgroup_exists(const char *path) {
    for (size_t i = 0; i < array_len(cgroup_roots); i++) {
        char *dir auto_free = mem_printf("/sys/fs/cgroup%s/%s", cgroup_roots[i], path);
        if (access(dir, F_OK) == 0) return true;
    }
    return false;
}

int cgroup_value(const char *controller, const char *cgroup, const char *file, char *buf,
                 size_t size) {
    char *path auto_free =
        mem_printf("/sys/fs/cgroup%s%s/%s/%s", *controller ? "/" : "", controller, cgroup, file);
    int fd auto_close = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    ssize_t n = file_read_some(fd, buf, size - 1);
    if (n < 0) return (int)n;
    buf[n] = 0;
    return 0;
}

int wait_until(bool (*condition)(void *arg), void *arg) {
    for (int i = 0; i < WAIT_MS; i++) {
        if (condition(arg)) return 0;
        poll(NULL, 0, 1);
    }
    return -ETIMEDOUT;
}
