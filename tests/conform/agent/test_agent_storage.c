// SPDX-License-Identifier: Apache-2.0
// Logs, volumes and image jobs through the agent, against a fake image role.
#include "bed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void read_log(int fd, char *buf, size_t size) {
    ssize_t n = read(fd, buf, size - 1);
    assert_true(n >= 0);
    buf[n] = '\0';
    close(fd);
}

static void logs(void **state) {
    struct bed *bed = *state;
    char id[ID_TEXT_SIZE], text[16];
    bed_id(id);
    close(bed_create(bed, id, "ok"));
    static const char *const files[] = {"log", "log.1", "log.2"};
    for (size_t i = 0; i < array_len(files); i++) {
        char *path auto_free = mem_printf("state/instances/%s/%s", id, files[i]);
        bed_write(bed, path, files[i]);
    }
    char *link auto_free = mem_printf("%s/instances/%s/log.3", bed->state, id);
    char *fifo auto_free = mem_printf("%s/instances/%s/log.4", bed->state, id);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    struct wire_agent_log_open open = {.id = id};
    struct wire_packet packet;
    bed_call(bed, WIRE_AGENT_LOG_OPEN, &open, NULL, 0, WIRE_AGENT_LOG, &packet);
    assert_int_equal(packet.n_fds, 3);
    for (size_t i = 0; i < 3; i++) {
        int fd = wire_packet_take_fd(&packet, i);
        assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
        read_log(fd, text, sizeof(text));
        assert_string_equal(text, files[2 - i]);
    }
    wire_packet_done(&packet);
    bed_clear(bed, id, true);
    bed_call(bed, WIRE_AGENT_LOG_OPEN, &open, NULL, 0, WIRE_AGENT_LOG, &packet);
    assert_int_equal(packet.n_fds, 0);
    wire_packet_done(&packet);
}

static void volumes(void **state) {
    struct bed *bed = *state;
    char id[ID_TEXT_SIZE], instance[ID_TEXT_SIZE];
    bed_id(id);
    bed_id(instance);
    bed_ok(bed, WIRE_AGENT_VOLUME_CREATE, &(struct wire_agent_volume_create){.id = id});
    bed_ok(bed, WIRE_AGENT_VOLUME_CREATE, &(struct wire_agent_volume_create){.id = id});
    const char *mount[] = {"volume", id, "/x", "ro"};
    struct wire_agent_instance_create r = bed_request(instance, "ok");
    r.mounts = (struct wire_strings){mount, 4};
    struct wire_packet packet;
    bed_call(bed, WIRE_AGENT_INSTANCE_CREATE, &r, NULL, 0, WIRE_AGENT_INSTANCE_MADE, &packet);
    wire_packet_done(&packet);
    bed_clear(bed, instance, true);

    char *file auto_free = mem_printf("state/volumes/%s/data/file", id);
    char *block auto_free = mem_printf("%65536d", 1);
    bed_write(bed, file, block);
    struct arena *arena auto_arena = arena_new(4096);
    struct wire_agent_usage usage;
    bed_call(bed, WIRE_AGENT_VOLUME_USAGE, &(struct wire_agent_volume_usage){.id = id}, NULL, 0,
             WIRE_AGENT_USAGE, &packet);
    assert_int_equal(wire_decode_agent_usage(packet.payload, arena, &usage, NULL), 0);
    wire_packet_done(&packet);
    assert_int_equal(usage.files, 1);
    assert_true(usage.bytes >= 65536);
    bed_ok(bed, WIRE_AGENT_VOLUME_REMOVE, &(struct wire_agent_volume_remove){.id = id});
    bed_ok(bed, WIRE_AGENT_VOLUME_REMOVE, &(struct wire_agent_volume_remove){.id = id});
    struct err err;
    bed_refused(bed, WIRE_AGENT_VOLUME_USAGE, &(struct wire_agent_volume_usage){.id = id}, NULL, 0,
                &err);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void expect_result(struct wire_packet *packet, const char *json) {
    struct arena *arena auto_arena = arena_new(65536);
    struct wire_image_result result;
    assert_int_equal(packet->id, WIRE_IMAGE_RESULT);
    assert_int_equal(wire_decode_image_result(packet->payload, arena, &result, NULL), 0);
    assert_string_equal(result.json, json);
    wire_packet_done(packet);
}

#define IMAGE_ID "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void image_jobs(void **state) {
    struct bed *bed = *state;
    struct wire_packet packet;
    struct err err;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(write(pipe_fds[1], "tar", 3), 3);
    close(pipe_fds[1]);
    uint32_t seq = bed_send(bed, WIRE_AGENT_IMAGE_JOB,
                            &(struct wire_agent_image_job){.verb = "import"}, pipe_fds, 1);
    close(pipe_fds[0]);
    size_t steps = 0;
    for (;; steps++) {
        assert_int_equal(wire_receive(bed->sock, BED_TIMEOUT_MS, &packet, NULL), 0);
        assert_int_equal(packet.seq, seq);
        if (packet.id != WIRE_IMAGE_PROGRESS) break;
        wire_packet_done(&packet);
    }
    assert_int_equal(steps, 2);
    expect_result(&packet, "{\"input\":\"tar\"}");

    assert_int_equal(pipe(pipe_fds), 0);
    bed_call(bed, WIRE_AGENT_IMAGE_JOB,
             &(struct wire_agent_image_job){.verb = "export", .id = IMAGE_ID}, &pipe_fds[1], 1,
             WIRE_IMAGE_RESULT, &packet);
    wire_packet_done(&packet);
    close(pipe_fds[1]);
    char text[16];
    read_log(pipe_fds[0], text, sizeof(text));
    assert_string_equal(text, "exported");

    static const char *const keep[] = {IMAGE_ID, IMAGE_ID};
    bed_call(bed, WIRE_AGENT_IMAGE_JOB,
             &(struct wire_agent_image_job){.verb = "sweep", .keep = {keep, 2}}, NULL, 0,
             WIRE_IMAGE_RESULT, &packet);
    expect_result(&packet, "{\"kept\":2}");
    bed_refused(bed, WIRE_AGENT_IMAGE_JOB, &(struct wire_agent_image_job){.verb = "build-busybox"},
                NULL, 0, &err);
    assert_int_equal(err.kind, ERR_CORRUPT);
    bed_refused(bed, WIRE_AGENT_IMAGE_JOB, &(struct wire_agent_image_job){.verb = "verify"}, NULL,
                0, &err);
    assert_int_equal(err.kind, ERR_INTERNAL);
    bed_refused(bed, WIRE_AGENT_IMAGE_JOB, &(struct wire_agent_image_job){.verb = "import"}, NULL,
                0, &err);
    assert_int_equal(err.kind, ERR_INVALID);
}

static void image_job_is_cancelled(void **state) {
    struct bed *bed = *state;
    struct wire_packet packet;
    struct err err = {0};
    uint32_t job = bed_send(bed, WIRE_AGENT_IMAGE_JOB,
                            &(struct wire_agent_image_job){.verb = "build-debian"}, NULL, 0);
    assert_int_equal(wire_receive(bed->sock, BED_TIMEOUT_MS, &packet, NULL), 0);
    assert_int_equal(packet.id, WIRE_IMAGE_PROGRESS);
    wire_packet_done(&packet);
    bed_ok(bed, WIRE_AGENT_JOB_CANCEL, &(struct wire_agent_job_cancel){.job_seq = job});
    bed_answer(bed, job, &packet);
    wire_packet_failure(&packet, &err);
    wire_packet_done(&packet);
    assert_int_equal(err.kind, ERR_CANCELLED);
    bed_ok(bed, WIRE_AGENT_JOB_CANCEL, &(struct wire_agent_job_cancel){.job_seq = job});
}

int main(void) {
    if (geteuid() != 0) {
        print_message("SKIP: needs root\n");
        return 77;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        TEST(logs),
        TEST(volumes),
        TEST(image_jobs),
        TEST(image_job_is_cancelled),
    };
    return cmocka_run_group_tests_name("agent storage", tests, NULL, NULL);
}
