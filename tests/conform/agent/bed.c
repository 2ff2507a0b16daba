// SPDX-License-Identifier: Apache-2.0
#include "bed.h"

#include "base/clock.h"
#include "base/str.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/process.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void must(int rc, const struct err *err) {
    char text[1500];
    if (rc < 0) print_error("%s\n", err_format(err, text, sizeof(text)));
    assert_true(rc >= 0);
}

void bed_make(struct bed *bed, uid_t user) {
    char template[] = "/tmp/trine-agent-XXXXXX";
    struct err err = {0};
    assert_non_null(getenv("TRINE_AGENT")); // path of the program under test
    *bed = (struct bed){.sock = -1, .user = user};
    assert_non_null(mkdtemp(template));
    bed->dir = mem_strdup(template);
    bed->state = mem_printf("%s/state", template);
    bed->run = mem_printf("%s/run", template);
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    assert_true(n > 0);
    self[n] = '\0';
    bed->libexec = mem_strndup(self, (size_t)(strrchr(self, '/') - self));
    char *layer auto_free = mem_printf("%s/" LAYOUT_IMAGES "/layers/" BED_LAYER, bed->state);
    must(dir_make(AT_FDCWD, layer, 0755, &err), &err);
    char *images auto_free = mem_printf("%s/" LAYOUT_IMAGES, bed->state);
    char *layers auto_free = mem_printf("%s/layers", images);
    const char *owned[] = {bed->dir, bed->state, images, layers, layer};
    for (size_t i = 0; i < array_len(owned); i++)
        assert_int_equal(chown(owned[i], user, (gid_t)user), 0);
}

void bed_start(struct bed *bed) {
    int pair[2];
    struct err err = {0};
    assert_int_equal(seteuid(bed->user), 0); // whose the connection is
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(seteuid(0), 0);
    const char *path = getenv("TRINE_AGENT");
    char *argv[] = {(char[]){"trine-agent"},
                    (char[]){"--state"},
                    bed->state,
                    (char[]){"--run"},
                    bed->run,
                    (char[]){"--control"},
                    (char[]){"3"},
                    bed->user ? (char[]){"--rootless"} : NULL,
                    NULL};
    char *libexec auto_free = mem_printf("TRINE_LIBEXEC=%s", bed->libexec);
    char *envp[] = {libexec, (char[]){"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, NULL};
    struct process_fd fds[] = {{pair[1], 3}, {2, 2}};
    struct process_spec spec = {.path = path,
                                .argv = argv,
                                .envp = envp,
                                .fds = fds,
                                .n_fds = 2,
                                .die_with_parent = true,
                                .set_user = bed->user != 0,
                                .uid = bed->user,
                                .gid = (gid_t)bed->user};
    must(process_spawn(&spec, &bed->agent, NULL, &err), &err);
    close(pair[1]);
    bed->sock = pair[0];
    must(wire_handshake(bed->sock, "daemon", "agent", &err), &err);
}

void bed_kill(struct bed *bed) {
    kill(bed->agent, SIGKILL);
    assert_int_equal(process_wait(bed->agent), 128 + SIGKILL);
    close(take_fd(bed->sock));
}

void bed_end(struct bed *bed) {
    close(take_fd(bed->sock));
    assert_int_equal(process_wait(bed->agent), 0);
}

static int count_entry(int dirfd, const char *name, void *arg) {
    if (strcmp(name, ".seccomp") != 0) (*(size_t *)arg)++;
    return 0;
}

static size_t entries(const char *dir, const char *below) {
    size_t n = 0;
    char *path auto_free = mem_printf("%s/%s", dir, below);
    dir_each(AT_FDCWD, path, count_entry, &n);
    return n;
}

void bed_remove(struct bed *bed) {
    assert_int_equal(entries(bed->run, LAYOUT_INSTANCES), 0);
    assert_int_equal(entries(bed->state, LAYOUT_INSTANCES), 0);
    assert_int_equal(entries(bed->state, LAYOUT_VOLUMES), 0);
    assert_int_equal(bed_processes(bed->dir), 0);
    assert_int_equal(dir_remove_tree(AT_FDCWD, bed->dir, NULL), 0);
    free(bed->dir);
    free(bed->state);
    free(bed->run);
    free(bed->libexec);
}

uint32_t bed_send(struct bed *bed, enum wire_id id, const void *message, const int *fds,
                  size_t n_fds) {
    struct err err = {0};
    must(wire_send(bed->sock, ++bed->seq, id, message, fds, n_fds, &err), &err);
    return bed->seq;
}

void bed_answer(struct bed *bed, uint32_t seq, struct wire_packet *ret) {
    struct err err = {0};
    for (;;) {
        must(wire_receive(bed->sock, BED_TIMEOUT_MS, ret, &err), &err);
        if (ret->id != WIRE_IMAGE_PROGRESS) break;
        wire_packet_done(ret);
    }
    assert_int_equal(ret->seq, seq);
}

void bed_call(struct bed *bed, enum wire_id id, const void *message, const int *fds, size_t n_fds,
              enum wire_id answer, struct wire_packet *ret) {
    bed_answer(bed, bed_send(bed, id, message, fds, n_fds), ret);
    if (ret->id == answer) return;
    struct err err = {0};
    wire_packet_failure(ret, &err);
    must(-1, &err);
}

void bed_ok(struct bed *bed, enum wire_id id, const void *message) {
    struct wire_packet packet;
    bed_call(bed, id, message, NULL, 0, WIRE_OK, &packet);
    wire_packet_done(&packet);
}

void bed_refused(struct bed *bed, enum wire_id id, const void *message, const int *fds,
                 size_t n_fds, struct err *err) {
    struct wire_packet packet;
    *err = (struct err){0};
    bed_answer(bed, bed_send(bed, id, message, fds, n_fds), &packet);
    assert_int_equal(packet.id, WIRE_FAILURE);
    wire_packet_failure(&packet, err);
    wire_packet_done(&packet);
    assert_true(err->object[0] && err->cause[0]);
}

void bed_id(char id[ID_TEXT_SIZE]) {
    text_new_id(clock_realtime(clock_system()), id);
}

struct wire_agent_instance_create bed_request(const char *id, const char *name) {
    static const char *const layers[] = {BED_LAYER}, *const args[] = {"/bin/true"};
    return (struct wire_agent_instance_create){.id = id,
                                               .name = name,
                                               .project = "default",
                                               .layers = {layers, 1},
                                               .args = {args, 1},
                                               .network = "none"};
}

int bed_create(struct bed *bed, const char *id, const char *name) {
    struct wire_agent_instance_create request = bed_request(id, name);
    struct wire_packet packet;
    bed_call(bed, WIRE_AGENT_INSTANCE_CREATE, &request, NULL, 0, WIRE_AGENT_INSTANCE_MADE, &packet);
    int sock = wire_packet_take_fd(&packet, 0);
    wire_packet_done(&packet);
    assert_true(sock >= 0);
    return sock;
}

void bed_clear(struct bed *bed, const char *id, bool all) {
    struct wire_agent_instance_clear request = {.id = id, .all = all};
    bed_ok(bed, WIRE_AGENT_INSTANCE_CLEAR, &request);
}

const char *bed_state(struct bed *bed, const char *id, char buf[16]) {
    struct wire_packet packet;
    struct arena *arena auto_arena = arena_new(1 << 20);
    struct wire_agent_instances list;
    bed_call(bed, WIRE_AGENT_INSTANCE_LIST, &(struct wire_agent_instance_list){0}, NULL, 0,
             WIRE_AGENT_INSTANCES, &packet);
    assert_int_equal(wire_decode_agent_instances(packet.payload, arena, &list, NULL), 0);
    assert_int_equal(list.ids.count, list.states.count);
    buf[0] = '\0';
    for (size_t i = 0; i < list.ids.count; i++)
        if (str_same(list.ids.items[i], id)) snprintf(buf, 16, "%s", list.states.items[i]);
    wire_packet_done(&packet);
    return buf;
}

bool bed_exists(const struct bed *bed, const char *below, const char *id) {
    char *path auto_free = mem_printf("%s/%s%s%s", bed->dir, below, *id ? "/" : "", id);
    return access(path, F_OK) == 0;
}

struct word_count {
    const char *word;
    size_t n;
};

static int count_process(int dirfd, const char *name, void *arg) {
    struct word_count *c = arg;
    char path[64], *text auto_free = NULL;
    size_t size = 0;
    if (!isdigit((unsigned char)name[0]) || atoi(name) == getpid()) return 0;
    snprintf(path, sizeof(path), "%.16s/cmdline", name);
    if (file_read(dirfd, path, 1 << 20, &text, &size, NULL) == 0 &&
        memmem(text, size, c->word, strlen(c->word)))
        c->n++;
    return 0;
}

size_t bed_processes(const char *word) {
    struct word_count c = {.word = word};
    assert_int_equal(dir_each(AT_FDCWD, "/proc", count_process, &c), 0);
    return c.n;
}

size_t bed_cgroups(const char *id) {
    struct cgroup_host *host;
    size_t n = 0;
    char *path auto_free = mem_printf(LAYOUT_CGROUP_ROOT "/%s", id);
    if (cgroup_host_open(&host, NULL) < 0) return 0;
    for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++) {
        char *dir auto_free = cgroup_host_dir(host, (enum cgroup_controller)c, path);
        if (dir && access(dir, F_OK) == 0) n++;
    }
    cgroup_host_free(host);
    return n;
}

int bed_setup(void **state) {
    struct bed *bed = mem_new(struct bed);
    *state = bed;
    bed_make(bed, 0);
    bed_start(bed);
    return 0;
}

int bed_teardown(void **state) {
    struct bed *bed = *state;
    bed_end(bed);
    bed_remove(bed);
    free(bed);
    return 0;
}

void bed_write(const struct bed *bed, const char *below, const char *text) {
    char *path auto_free = mem_printf("%s/%s", bed->dir, below);
    assert_int_equal(file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, NULL), 0);
}
