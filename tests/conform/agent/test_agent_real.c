// SPDX-License-Identifier: Apache-2.0
// The agent with the real shim: an instance of busybox is made, started, read and cleared; and
// again while the agent is killed.
#include "bed.h"

#include "base/str.h"
#include "host/file.h"
#include "host/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUSYBOX "/bin/busybox" // package busybox-static
#define SKIPPED 77
#define USER 61234

static char *roles; // where the real ones are

static void copy_busybox(const struct bed *bed) {
    char *bin auto_free = mem_printf("%s/" LAYOUT_IMAGES "/layers/" BED_LAYER "/bin", bed->state);
    char *to auto_free = mem_printf("%s/busybox", bin);
    char *data auto_free = NULL;
    size_t size;
    assert_int_equal(dir_make(AT_FDCWD, bin, 0755, NULL), 0);
    assert_int_equal(file_read(AT_FDCWD, BUSYBOX, 64 << 20, &data, &size, NULL), 0);
    assert_int_equal(file_write_atomic(AT_FDCWD, to, data, size, 0755, NULL), 0);
}

static void make(struct bed *bed, uid_t user) {
    bed_make(bed, user);
    free(bed->libexec);
    bed->libexec = mem_strdup(roles);
    copy_busybox(bed);
}

static struct wire_agent_instance_create script(const char *id, const char *text) {
    static const char *args[4] = {BUSYBOX, "sh", "-c"};
    args[3] = text;
    struct wire_agent_instance_create r = bed_request(id, "real");
    r.args = (struct wire_strings){args, 4};
    r.hostname = "box";
    r.pids_max = 50;
    return r;
}

static int create(struct bed *bed, const struct wire_agent_instance_create *r) {
    struct wire_packet packet;
    bed_call(bed, WIRE_AGENT_INSTANCE_CREATE, r, NULL, 0, WIRE_AGENT_INSTANCE_MADE, &packet);
    int sock = wire_packet_take_fd(&packet, 0);
    wire_packet_done(&packet);
    assert_true(sock >= 0);
    return sock;
}

static void start(int sock) {
    struct wire_packet packet;
    struct err err = {0};
    if (wire_call(sock, WIRE_SHIM_START, &(struct wire_shim_start){0}, NULL, 0, WIRE_SHIM_STATE,
                  BED_TIMEOUT_MS, &packet, &err) < 0)
        fail_msg("%s: %s", err.object, err.cause);
    wire_packet_done(&packet);
}

static void wait_for_end(struct bed *bed, const char *id, struct arena *arena,
                         struct wire_agent_exit *ret) {
    char word[16];
    struct wire_packet packet;
    while (strcmp(bed_state(bed, id, word), "alive") == 0) usleep(2000);
    assert_string_equal(word, "ended");
    bed_call(bed, WIRE_AGENT_INSTANCE_EXIT, &(struct wire_agent_instance_exit){.id = id}, NULL, 0,
             WIRE_AGENT_EXIT, &packet);
    assert_int_equal(wire_decode_agent_exit(packet.payload, arena, ret, NULL), 0);
    wire_packet_done(&packet);
}

static char *read_log(struct bed *bed, const char *id) {
    struct wire_packet packet;
    char text[8192];
    bed_call(bed, WIRE_AGENT_LOG_OPEN, &(struct wire_agent_log_open){.id = id}, NULL, 0,
             WIRE_AGENT_LOG, &packet);
    assert_int_equal(packet.n_fds, 1);
    auto_close int fd = wire_packet_take_fd(&packet, 0);
    wire_packet_done(&packet);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    return mem_strdup(text);
}

static void expect_in(const char *text, const char *part) {
    if (!strstr(text, part)) print_error("\"%s\" is not in\n%s\n", part, text);
    assert_non_null(strstr(text, part));
}

// Whether an ordinary user of the host can execute it.
static bool others_execute(const struct bed *bed, const char *below) {
    pid_t pid = fork();
    if (pid == 0) {
        bool there = chdir(bed->state) == 0 && access(below, X_OK) == 0;
        if (!there || setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
            _exit(2);
        _exit(faccessat(AT_FDCWD, below, X_OK, AT_EACCESS) == 0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 1;
}

// What is set-id root in an instance is that on the host too, for whoever can walk there.
static void hides_its_trees(void **state) {
    struct bed bed;
    char id[ID_TEXT_SIZE], volume[ID_TEXT_SIZE];
    struct arena *arena auto_arena = arena_new(65536);
    struct wire_agent_exit end;
    bed_id(id);
    bed_id(volume);
    make(&bed, 0);
    bed_start(&bed);
    bed_ok(&bed, WIRE_AGENT_VOLUME_CREATE, &(struct wire_agent_volume_create){.id = volume});
    const char *mounts[] = {"volume", volume, "/data", ""};
    struct wire_agent_instance_create r =
        script(id, "B=/bin/busybox; for d in / /data/; do $B cp $B ${d}su; $B chmod 4755 ${d}su;"
                   " done; exit 3");
    r.mounts = (struct wire_strings){mounts, 4};
    int sock = create(&bed, &r);
    start(sock);
    wait_for_end(&bed, id, arena, &end);
    close(sock);
    assert_int_equal(end.exit_code, 3);
    char *upper auto_free = mem_printf("instances/%s/upper/su", id);
    char *data auto_free = mem_printf("volumes/%s/data/su", volume);
    assert_false(others_execute(&bed, upper));
    assert_false(others_execute(&bed, data));
    assert_false(others_execute(&bed, "images/layers/" BED_LAYER BUSYBOX));
    bed_clear(&bed, id, true);
    bed_ok(&bed, WIRE_AGENT_VOLUME_REMOVE, &(struct wire_agent_volume_remove){.id = volume});
    bed_end(&bed);
    bed_remove(&bed);
}

static void runs_a_program(void **state) {
    struct bed bed;
    char id[ID_TEXT_SIZE], volume[ID_TEXT_SIZE];
    struct arena *arena auto_arena = arena_new(65536);
    struct wire_agent_exit end;
    bed_id(id);
    bed_id(volume);
    make(&bed, 0);
    bed_start(&bed);
    bed_ok(&bed, WIRE_AGENT_VOLUME_CREATE, &(struct wire_agent_volume_create){.id = volume});
    const char *mounts[] = {"volume",   volume,    "/data", "",           "tmpfs", "",
                            "/scratch", "size=1m", "bind",  "/usr/share", "/host", "ro"};
    struct wire_agent_instance_create r = script(
        id, "B=/bin/busybox; $B hostname; $B cat /etc/hostname /etc/hosts; echo kept > /data/file;"
            "$B grep -c . /proc/self/status; $B df /scratch; $B touch /host/x || echo refused;"
            "$B grep NoNewPrivs /proc/self/status; echo pid $$; exit 3");
    r.mounts = (struct wire_strings){mounts, 12};
    r.memory_max_bytes = 64 << 20;
    int sock = create(&bed, &r);
    start(sock);
    wait_for_end(&bed, id, arena, &end);
    close(sock);
    char *log auto_free = read_log(&bed, id);
    if (end.exit_code != 3) print_error("%s\n%s\n", end.failure, log);
    assert_true(end.known);
    assert_int_equal(end.exit_code, 3);
    expect_in(log, "stdout F box");
    expect_in(log, "127.0.1.1\tbox");
    expect_in(log, "pid 1");
    expect_in(log, "refused");
    expect_in(log, "NoNewPrivs:\t0");
    expect_in(log, "1024");
    char *kept auto_free = mem_printf("state/volumes/%s/data/file", volume);
    assert_true(bed_exists(&bed, kept, ""));
    bed_clear(&bed, id, true);
    bed_ok(&bed, WIRE_AGENT_VOLUME_REMOVE, &(struct wire_agent_volume_remove){.id = volume});
    assert_int_equal(bed_cgroups(id), 0);
    bed_end(&bed);
    bed_remove(&bed);
}

static uint64_t mask_in(const char *log, const char *name) {
    const char *at = strstr(log, name);
    assert_non_null(at);
    return strtoull(at + strlen(name), NULL, 16);
}

// The agent gives what it kept, and says so when it did not.
static void privileged_is_bounded(void **state) {
    static const char *const module[] = {"SYS_MODULE"};
    const uint64_t sys_admin = UINT64_C(1) << 21, sys_module = UINT64_C(1) << 16;
    struct arena *arena auto_arena = arena_new(65536);
    struct wire_agent_exit end;
    struct bed bed;
    make(&bed, 0);
    bed_start(&bed);
    for (int privileged = 0; privileged < 2; privileged++) {
        char id[ID_TEXT_SIZE];
        bed_id(id);
        struct wire_agent_instance_create r = script(id, "/bin/busybox grep Cap /proc/self/status");
        r.privileged = privileged;
        int sock = create(&bed, &r);
        start(sock);
        wait_for_end(&bed, id, arena, &end);
        close(sock);
        char *log auto_free = read_log(&bed, id);
        assert_int_equal(end.exit_code, 0);
        uint64_t effective = mask_in(log, "CapEff:\t");
        assert_int_equal((effective & sys_admin) != 0, privileged);
        assert_int_equal(effective & sys_module, 0);
        assert_int_equal(mask_in(log, "CapAmb:\t"), 0);
        assert_int_equal(mask_in(log, "CapInh:\t"), 0);
        bed_clear(&bed, id, true);
    }
    char id[ID_TEXT_SIZE];
    struct err err;
    bed_id(id);
    struct wire_agent_instance_create r = script(id, "true");
    r.cap_add = (struct wire_strings){module, 1};
    bed_refused(&bed, WIRE_AGENT_INSTANCE_CREATE, &r, NULL, 0, &err);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    r = script(id, "true");
    r.terminal = true;
    r.rows = 24;
    r.columns = 80;
    close(create(&bed, &r));
    bed_clear(&bed, id, true);
    bed_end(&bed);
    bed_remove(&bed);
}

// Gone, or only waiting to be reaped by whoever that falls to.
static bool has_ended(pid_t pid) {
    char *path auto_free = mem_printf("/proc/%d/stat", (int)pid);
    char *text auto_free = NULL;
    if (file_read(AT_FDCWD, path, 4096, &text, NULL, NULL) < 0) return true;
    const char *state = strrchr(text, ')');
    return state && str_starts(state, ") Z");
}

static void outlives_the_agent(void **state) {
    struct bed bed;
    char id[ID_TEXT_SIZE], word[16];
    bed_id(id);
    make(&bed, 0);
    bed_start(&bed);
    struct wire_agent_instance_create r = script(id, "exec /bin/busybox sleep 1000");
    int sock = create(&bed, &r);
    start(sock);
    close(sock);
    bed_kill(&bed);
    bed_start(&bed);
    assert_string_equal(bed_state(&bed, id, word), "alive");
    struct wire_packet packet;
    bed_call(&bed, WIRE_AGENT_INSTANCE_CONNECT, &(struct wire_agent_instance_connect){.id = id},
             NULL, 0, WIRE_AGENT_INSTANCE_MADE, &packet);
    sock = wire_packet_take_fd(&packet, 0);
    wire_packet_done(&packet);
    assert_int_equal(wire_call(sock, WIRE_SHIM_QUERY, &(struct wire_shim_query){0}, NULL, 0,
                               WIRE_SHIM_STATE, BED_TIMEOUT_MS, &packet, NULL),
                     0);
    struct arena *arena auto_arena = arena_new(4096);
    struct wire_shim_state now;
    assert_int_equal(wire_decode_shim_state(packet.payload, arena, &now, NULL), 0);
    assert_string_equal(now.state, "running");
    wire_packet_done(&packet);
    close(sock);
    bed_clear(&bed, id, true);
    assert_int_equal(bed_cgroups(id), 0);
    assert_int_equal(bed_processes(id), 0);
    assert_true(has_ended((pid_t)now.pid));
    bed_end(&bed);
    bed_remove(&bed);
}

static void runs_rootless(void **state) {
    static const char *const networks[] = {"none", "host"};
    struct arena *arena auto_arena = arena_new(65536);
    struct wire_agent_exit end;
    struct bed bed;
    make(&bed, USER);
    bed_start(&bed);
    for (size_t i = 0; i < array_len(networks); i++) {
        char id[ID_TEXT_SIZE];
        bed_id(id);
        struct wire_agent_instance_create r =
            script(id, "B=/bin/busybox; $B id -u; $B cat /proc/self/uid_map; echo x > /new && "
                       "echo written; $B mount; exit 4");
        r.network = networks[i];
        int sock = create(&bed, &r);
        start(sock);
        wait_for_end(&bed, id, arena, &end);
        close(sock);
        char *log auto_free = read_log(&bed, id);
        if (end.exit_code != 4) print_error("%s\n%s\n", end.failure, log);
        assert_int_equal(end.exit_code, 4);
        expect_in(log, "stdout F 0");
        expect_in(log, "stdout F written");
        bed_clear(&bed, id, true);
        assert_int_equal(bed_processes(id), 0);
    }
    bed_end(&bed);
    bed_remove(&bed);
}

static char *run_job(struct bed *bed, const struct wire_agent_image_job *job, int fd) {
    struct wire_packet packet;
    struct arena *arena auto_arena = arena_new(1 << 20);
    struct wire_image_result result;
    bed_call(bed, WIRE_AGENT_IMAGE_JOB, job, &fd, fd >= 0, WIRE_IMAGE_RESULT, &packet);
    assert_int_equal(wire_decode_image_result(packet.payload, arena, &result, NULL), 0);
    wire_packet_done(&packet);
    return mem_strdup(result.json);
}

// The text of the first member of this name.
static char *member(const char *json, const char *name) {
    char *key auto_free = mem_printf("\"%s\":\"", name);
    const char *at = strstr(json, key);
    assert_non_null(at);
    at += strlen(key);
    return mem_strndup(at, strcspn(at, "\""));
}

static void image_jobs_make_what_runs(void **state) {
    struct bed bed;
    char id[ID_TEXT_SIZE], tar[] = "/tmp/trine-agent-tar-XXXXXX";
    static const char *const names[] = {"box:1"};
    bed_id(id);
    make(&bed, 0);
    bed_start(&bed);
    struct wire_agent_image_job build = {.verb = "build-busybox", .names = {names, 1}};
    char *built auto_free = run_job(&bed, &build, -1);
    char *image auto_free = member(built, "id"), *layer auto_free = member(built, "dir");
    expect_in(built, "box:1");

    const char *layers[] = {layer};
    struct wire_agent_instance_create r = script(id, "ls -l /bin/ls; id -u");
    r.layers = (struct wire_strings){layers, 1};
    struct wire_agent_exit end;
    struct arena *arena auto_arena = arena_new(65536);
    int sock = create(&bed, &r);
    start(sock);
    wait_for_end(&bed, id, arena, &end);
    close(sock);
    char *log auto_free = read_log(&bed, id);
    expect_in(log, "stdout F 0");
    assert_int_equal(end.exit_code, 0);
    bed_clear(&bed, id, true);

    auto_close int fd = mkstemp(tar);
    unlink(tar);
    struct wire_agent_image_job export = {.verb = "export", .id = image, .type = "oci"};
    free(run_job(&bed, &export, fd));
    assert_true(lseek(fd, 0, SEEK_END) > 100000);
    free(run_job(&bed, &(struct wire_agent_image_job){.verb = "sweep"}, -1));
    char *path auto_free = mem_printf("state/images/layers/%s", layer);
    assert_false(bed_exists(&bed, path, ""));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    char *imported auto_free =
        run_job(&bed, &(struct wire_agent_image_job){.verb = "import", .type = "auto"}, fd);
    char *again auto_free = member(imported, "id");
    assert_string_equal(again, image);
    assert_true(bed_exists(&bed, path, ""));
    free(run_job(&bed, &(struct wire_agent_image_job){.verb = "verify"}, -1));
    struct err err;
    struct wire_agent_image_job bad = {.verb = "import", .type = "oci"};
    auto_close int null = open("/dev/null", O_RDONLY);
    bed_refused(&bed, WIRE_AGENT_IMAGE_JOB, &bad, &null, 1, &err);
    bed_end(&bed);
    bed_remove(&bed);
}

static void killed_while_creating(void **state) {
    struct bed bed;
    make(&bed, 0);
    for (unsigned round = 0; round < 20; round++) {
        char ids[3][ID_TEXT_SIZE];
        bed_start(&bed);
        for (unsigned i = 0; i < 3; i++) {
            bed_id(ids[i]);
            struct wire_agent_instance_create r = script(ids[i], "true");
            bed_send(&bed, WIRE_AGENT_INSTANCE_CREATE, &r, NULL, 0);
        }
        usleep(round * 1500);
        bed_kill(&bed);
        bed_start(&bed);
        for (unsigned i = 0; i < 3; i++) {
            bed_clear(&bed, ids[i], true);
            assert_int_equal(bed_processes(ids[i]), 0);
            assert_int_equal(bed_cgroups(ids[i]), 0);
        }
        bed_end(&bed);
    }
    bed_remove(&bed);
}

int main(void) {
    const char *agent = getenv("TRINE_AGENT");
    if (geteuid() != 0 || access(BUSYBOX, X_OK) < 0 || !agent) {
        print_message("SKIP: needs root, " BUSYBOX " and TRINE_AGENT\n");
        return SKIPPED;
    }
    roles = mem_strndup(agent, (size_t)(strrchr(agent, '/') - agent));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_a_program),        cmocka_unit_test(hides_its_trees),
        cmocka_unit_test(privileged_is_bounded), cmocka_unit_test(outlives_the_agent),
        cmocka_unit_test(runs_rootless),         cmocka_unit_test(image_jobs_make_what_runs),
        cmocka_unit_test(killed_while_creating),
    };
    int failed = cmocka_run_group_tests_name("agent real", tests, NULL, NULL);
    free(roles);
    return failed;
}
