// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/report.h"

#include "base/clock.h"
#include "base/mem.h"
#include "host/file.h"
#include "wire/channel.h"

#include <stdio.h>
#include <string.h>

#define STEP_NS (SEC_NS / 10)

static void send_step(struct report_wire *w, const char *step, uint64_t done, uint64_t total) {
    char text[256];
    snprintf(text, sizeof(text), "%.255s", step);
    const struct wire_image_progress progress = {.step = text, .done = done, .total = total};
    wire_send(w->sock, 0, WIRE_IMAGE_PROGRESS, &progress, NULL, 0, NULL);
}

static void wire_progress(struct image_report *report, const char *step, uint64_t done,
                          uint64_t total) {
    struct report_wire *w = container_of(report, struct report_wire, report);
    int64_t now = clock_monotonic(clock_system());
    bool fresh = strncmp(w->last_step, step, sizeof(w->last_step) - 1) != 0;
    if (!fresh && now - w->last_ns < STEP_NS && done != total) return;
    snprintf(w->last_step, sizeof(w->last_step), "%s", step);
    w->last_ns = now;
    send_step(w, step, done, total);
}

static void wire_warning(struct image_report *report, const char *text) {
    char step[256];
    snprintf(step, sizeof(step), "warning: %.240s", text);
    send_step(container_of(report, struct report_wire, report), step, 0, 0);
}

static void wire_result(struct image_report *report, const char *json) {
    struct report_wire *w = container_of(report, struct report_wire, report);
    const struct wire_image_result result = {.json = json};
    struct err err = {0};
    // Too long for one message: what was done stays done, and is said so.
    if (wire_send(w->sock, 0, WIRE_IMAGE_RESULT, &result, NULL, 0, &err) < 0)
        wire_send_failure(w->sock, 0, &err);
}

static void wire_failure(struct image_report *report, const struct err *err) {
    wire_send_failure(container_of(report, struct report_wire, report)->sock, 0, err);
}

static bool wire_cancelled(struct image_report *report) {
    return *container_of(report, struct report_wire, report)->stop != 0;
}

int report_wire_init(struct report_wire *wire, int sock, const volatile int *stop,
                     struct err *err) {
    *wire = (struct report_wire){
        .report = {.progress = wire_progress,
                   .warning = wire_warning,
                   .result = wire_result,
                   .failure = wire_failure,
                   .cancelled = wire_cancelled},
        .sock = sock,
        .stop = stop,
    };
    int r = fd_set_cloexec(sock, true);
    if (r < 0) return err_os(err, -r, "flag --wire", "descriptor %d cannot be used", sock);
    return wire_handshake(sock, "image", "agent", err);
}
