// SPDX-License-Identifier: Apache-2.0
// Every verb of the agent, good and bad, against a fake shim and a fake image role.
#include "bed.h"

#include "base/str.h"
#include "base/vec.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

// The next packet on a shim's socket is what the fake shim sent after hello: nothing.
static void expect_open(int sock) {
    char byte;
    assert_int_equal(recv(sock, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
    assert_int_equal(errno, EAGAIN);
}

static void instance_lives(void **state) {
    struct bed *bed = *state;
    char id[ID_TEXT_SIZE], word[16];
    bed_id(id);
    int sock = bed_create(bed, id, "ok");
    expect_open(sock);
    assert_string_equal(bed_state(bed, id, word), "alive");
    assert_true(bed_cgroups(id) > 0);

    struct wire_agent_instance_connect connect = {.id = id};
    struct wire_packet packet;
    bed_call(bed, WIRE_AGENT_INSTANCE_CONNECT, &connect, NULL, 0, WIRE_AGENT_INSTANCE_MADE,
             &packet);
    int second = wire_packet_take_fd(&packet, 0);
    wire_packet_done(&packet);
    expect_open(second);
    close(second);

    struct err err;
    struct wire_agent_instance_create again = bed_request(id, "ok");
    bed_refused(bed, WIRE_AGENT_INSTANCE_CREATE, &again, NULL, 0, &err);
    assert_int_equal(err.kind, ERR_EXISTS);
    assert_string_equal(bed_state(bed, id, word), "alive");

    bed_clear(bed, id, true);
    assert_string_equal(bed_state(bed, id, word), "");
    assert_int_equal(bed_cgroups(id), 0);
    assert_int_equal(bed_processes(id), 0);
    bed_clear(bed, id, true); // absent is fine
    close(sock);
}

static void instance_ends_and_starts_again(void **state) {
    struct bed *bed = *state;
    char id[ID_TEXT_SIZE], word[16];
    bed_id(id);
    struct wire_agent_instance_exit ask = {.id = id};
    struct wire_agent_exit answer;
    struct wire_packet packet;
    struct arena *arena auto_arena = arena_new(65536);
    int sock = bed_create(bed, id, "leave");
    assert_int_equal(send(sock, "x", 1, 0), 1);
    while (strcmp(bed_state(bed, id, word), "alive") == 0) usleep(1000);
    assert_string_equal(word, "ended");
    bed_call(bed, WIRE_AGENT_INSTANCE_EXIT, &ask, NULL, 0, WIRE_AGENT_EXIT, &packet);
    assert_int_equal(wire_decode_agent_exit(packet.payload, arena, &answer, NULL), 0);
    wire_packet_done(&packet);
    assert_true(answer.known);
    assert_int_equal(answer.exit_code, 7);
    close(sock);

    char *kept auto_free = mem_printf("state/instances/%s/upper/kept", id);
    bed_write(bed, kept, "x");
    bed_clear(bed, id, false);
    assert_int_equal(bed_cgroups(id), 0);
    assert_true(bed_exists(bed, kept, ""));
    close(bed_create(bed, id, "ok"));
    assert_true(bed_exists(bed, kept, ""));
    bed_clear(bed, id, true);
    assert_false(bed_exists(bed, "state/instances", id));
}

static void shim_dies(void **state) {
    struct bed *bed = *state;
    char id[ID_TEXT_SIZE], word[16];
    bed_id(id);
    struct wire_packet packet;
    struct wire_agent_instance_create request = bed_request(id, "warned");
    struct wire_agent_instance_made made;
    struct arena *arena auto_arena = arena_new(65536);
    bed_call(bed, WIRE_AGENT_INSTANCE_CREATE, &request, NULL, 0, WIRE_AGENT_INSTANCE_MADE, &packet);
    assert_int_equal(wire_decode_agent_instance_made(packet.payload, arena, &made, NULL), 0);
    assert_int_equal(made.warnings.count, 2);
    assert_string_equal(made.warnings.items[1], "no cpuset");
    wire_packet_done(&packet);
    assert_int_equal(kill((pid_t)made.shim_pid, SIGKILL), 0);
    while (strcmp(bed_state(bed, id, word), "alive") == 0) usleep(1000);
    assert_string_equal(word, "dead");

    struct err err;
    struct wire_agent_instance_connect connect = {.id = id};
    bed_refused(bed, WIRE_AGENT_INSTANCE_CONNECT, &connect, NULL, 0, &err);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    struct wire_agent_instance_exit ask = {.id = id};
    struct wire_agent_exit answer;
    bed_call(bed, WIRE_AGENT_INSTANCE_EXIT, &ask, NULL, 0, WIRE_AGENT_EXIT, &packet);
    assert_int_equal(wire_decode_agent_exit(packet.payload, arena, &answer, NULL), 0);
    assert_false(answer.known);
    wire_packet_done(&packet);
    assert_true(bed_cgroups(id) > 0); // its program goes on
    bed_clear(bed, id, true);
    assert_int_equal(bed_cgroups(id), 0);
    bed_refused(bed, WIRE_AGENT_INSTANCE_EXIT, &ask, NULL, 0, &err);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void shim_hangs_up(void **state) {
    struct bed *bed = *state;
    char id[ID_TEXT_SIZE];
    struct err err;
    bed_id(id);
    close(bed_create(bed, id, "mute"));
    bed_refused(bed, WIRE_AGENT_INSTANCE_CONNECT, &(struct wire_agent_instance_connect){.id = id},
                NULL, 0, &err);
    assert_int_equal(err.kind, ERR_INTERNAL);
    bed_clear(bed, id, true);
}

static void creation_fails(void **state) {
    static const struct {
        const char *name;
        enum err_kind kind;
    } cases[] = {{"refuse", ERR_NOT_FOUND}, {"crash", ERR_INTERNAL}};
    struct bed *bed = *state;
    for (size_t i = 0; i < array_len(cases); i++) {
        char id[ID_TEXT_SIZE];
        struct err err;
        bed_id(id);
        struct wire_agent_instance_create request = bed_request(id, cases[i].name);
        bed_refused(bed, WIRE_AGENT_INSTANCE_CREATE, &request, NULL, 0, &err);
        assert_int_equal(err.kind, cases[i].kind);
        assert_non_null(strstr(err.context, "creating instance"));
        assert_false(bed_exists(bed, "run/instances", id));
        assert_false(bed_exists(bed, "state/instances", id));
        assert_int_equal(bed_processes(id), 0);
    }
}

static void creation_does_not_block_and_is_cancelled(void **state) {
    struct bed *bed = *state;
    char slow[ID_TEXT_SIZE], quick[ID_TEXT_SIZE], word[16];
    bed_id(slow);
    bed_id(quick);
    struct wire_agent_instance_create request = bed_request(slow, "hang");
    uint32_t created = bed_send(bed, WIRE_AGENT_INSTANCE_CREATE, &request, NULL, 0);
    close(bed_create(bed, quick, "ok"));
    assert_string_equal(bed_state(bed, slow, word), "alive");
    bed_clear(bed, quick, true);
    struct wire_agent_instance_clear clear = {.id = slow, .all = true};
    uint32_t cleared = bed_send(bed, WIRE_AGENT_INSTANCE_CLEAR, &clear, NULL, 0);
    struct wire_packet packet;
    struct err err = {0};
    bed_answer(bed, created, &packet);
    wire_packet_failure(&packet, &err);
    wire_packet_done(&packet);
    assert_int_equal(err.kind, ERR_CANCELLED);
    bed_answer(bed, cleared, &packet);
    assert_int_equal(packet.id, WIRE_OK);
    wire_packet_done(&packet);
    assert_int_equal(bed_processes(slow), 0);
}

static void bad_requests(void **state) {
    struct bed *bed = *state;
    char id[ID_TEXT_SIZE];
    bed_id(id);
    static const char *const absent[] = {"ffffffffffffffffffffffff"};
    const char *own[] = {"bind", bed->state, "/x", ""}, *gone[] = {"bind", "/no/such", "/x", ""},
               *volume[] = {"volume", id, "/x", ""};
    struct err err;
    struct wire_agent_instance_create r = bed_request(id, "ok");
    r.layers.items = absent;
    bed_refused(bed, WIRE_AGENT_INSTANCE_CREATE, &r, NULL, 0, &err);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    const char *const *const mounts[] = {own, gone, volume};
    static const enum err_kind kinds[] = {ERR_DENIED, ERR_NOT_FOUND, ERR_NOT_FOUND};
    for (size_t i = 0; i < array_len(mounts); i++) {
        r = bed_request(id, "ok");
        r.mounts = (struct wire_strings){mounts[i], 4};
        bed_refused(bed, WIRE_AGENT_INSTANCE_CREATE, &r, NULL, 0, &err);
        assert_int_equal(err.kind, kinds[i]);
    }
    r = bed_request("../../../../../../../../etc/xx", "ok");
    bed_refused(bed, WIRE_AGENT_INSTANCE_CREATE, &r, NULL, 0, &err);
    assert_int_equal(err.kind, ERR_INVALID);
    struct wire_agent_instance_clear clear = {.id = ".seccomp", .all = true};
    bed_refused(bed, WIRE_AGENT_INSTANCE_CLEAR, &clear, NULL, 0, &err);
    struct wire_agent_volume_remove remove = {
        .id = "..",
    };
    bed_refused(bed, WIRE_AGENT_VOLUME_REMOVE, &remove, NULL, 0, &err);
    bed_refused(bed, WIRE_SHIM_START, &(struct wire_shim_start){0}, NULL, 0, &err);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    int fds[] = {0};
    bed_refused(bed, WIRE_AGENT_INSTANCE_LIST, &(struct wire_agent_instance_list){0}, fds, 1, &err);
    assert_int_equal(err.kind, ERR_INVALID);
}

// Damaged payloads: every cut of a good one, then the agent still answers.
static void damaged_payloads(void **state) {
    struct bed *bed = *state;
    char id[ID_TEXT_SIZE], word[16];
    bed_id(id);
    struct wire_agent_instance_create r = bed_request(id, "ok");
    struct writer w = writer_growing();
    assert_int_equal(wire_encode(WIRE_AGENT_INSTANCE_CREATE, &r, &w, NULL), 0);
    for (size_t size = 0; size < w.size; size += 7) {
        struct writer packet = writer_growing();
        write_le32(&packet, WIRE_MAGIC);
        write_le16(&packet, WIRE_VERSION);
        write_le16(&packet, WIRE_AGENT_INSTANCE_CREATE);
        write_le32(&packet, ++bed->seq);
        write_le32(&packet, (uint32_t)size);
        write_bytes(&packet, w.data, size);
        assert_int_equal(send(bed->sock, packet.data, packet.size, 0), packet.size);
        writer_free(&packet);
        struct wire_packet answer;
        bed_answer(bed, bed->seq, &answer);
        assert_int_equal(answer.id, WIRE_FAILURE);
        wire_packet_done(&answer);
    }
    writer_free(&w);
    assert_string_equal(bed_state(bed, id, word), "");
}

// The daemon goes: instances stay, jobs and half-made instances do not; the next agent finds them.
static void daemon_goes(void **state) {
    struct bed *bed = *state;
    char id[ID_TEXT_SIZE], half[ID_TEXT_SIZE], word[16];
    bed_id(id);
    bed_id(half);
    close(bed_create(bed, id, "ok"));
    struct wire_agent_instance_create request = bed_request(half, "hang");
    bed_send(bed, WIRE_AGENT_INSTANCE_CREATE, &request, NULL, 0);
    bed_send(bed, WIRE_AGENT_IMAGE_JOB, &(struct wire_agent_image_job){.verb = "build-debian"},
             NULL, 0);
    bed_state(bed, id, word); // both have begun
    bed_end(bed);
    char *store auto_free = mem_printf("%s/" LAYOUT_IMAGES, bed->state);
    assert_int_equal(bed_processes(store), 0);
    assert_int_equal(bed_processes(half), 0);
    bed_start(bed);
    assert_string_equal(bed_state(bed, half, word), "");
    assert_string_equal(bed_state(bed, id, word), "alive");
    struct wire_packet packet;
    bed_call(bed, WIRE_AGENT_INSTANCE_CONNECT, &(struct wire_agent_instance_connect){.id = id},
             NULL, 0, WIRE_AGENT_INSTANCE_MADE, &packet);
    wire_packet_done(&packet);
    bed_clear(bed, id, true);
}

// A connection that somebody else made is refused before a word is said.
static void foreign_partner(void **state) {
    struct bed *bed = *state;
    int pair[2];
    assert_int_equal(seteuid(61235), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(seteuid(0), 0);
    char *run auto_free = mem_printf("%s/other-run", bed->dir);
    char *argv[] = {
        (char[]){"trine-agent"}, (char[]){"--state"}, bed->state, (char[]){"--run"}, run,
        (char[]){"--control"},   (char[]){"3"},       NULL};
    struct process_fd fds[] = {{pair[1], 3}};
    struct process_spec spec = {.path = getenv("TRINE_AGENT"),
                                .argv = argv,
                                .fds = fds,
                                .n_fds = 1};
    pid_t pid;
    assert_int_equal(process_spawn(&spec, &pid, NULL, NULL), 0);
    close(pair[1]);
    assert_int_equal(process_wait(pid), err_kind_exit(ERR_DENIED));
    struct err err = {0};
    struct wire_packet packet;
    assert_true(wire_receive(pair[0], BED_TIMEOUT_MS, &packet, &err) < 0);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    close(pair[0]);
}

int main(void) {
    if (geteuid() != 0) {
        print_message("SKIP: needs root\n");
        return 77;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        TEST(instance_lives), TEST(instance_ends_and_starts_again),
        TEST(shim_dies),      TEST(shim_hangs_up),
        TEST(creation_fails), TEST(creation_does_not_block_and_is_cancelled),
        TEST(bad_requests),   TEST(damaged_payloads),
        TEST(daemon_goes),    TEST(foreign_partner),
    };
    return cmocka_run_group_tests_name("agent verbs", tests, NULL, NULL);
}
