// SPDX-License-Identifier: Apache-2.0
// A trine-image that only talks, for the agent's tests:
//   import         two steps of progress, then {"input":"<its input>"}
//   export         writes "exported" to its output, then a result
//   build-busybox  says a failure
//   build-debian   goes on until it is told to stop
//   verify         is killed
//   sweep          {"kept":<lines of --keep-file>}
#include "base/mem.h"
#include "base/str.h"
#include "wire/channel.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WIRE_FD 3

static void progress(const char *step, uint64_t done, uint64_t total) {
    struct wire_image_progress p = {.step = step, .done = done, .total = total};
    wire_send(WIRE_FD, 0, WIRE_IMAGE_PROGRESS, &p, NULL, 0, NULL);
}

static int result(const char *json) {
    struct wire_image_result r = {.json = json};
    return wire_send(WIRE_FD, 0, WIRE_IMAGE_RESULT, &r, NULL, 0, NULL) < 0;
}

static bool has(int argc, char **argv, const char *word) {
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], word) == 0) return true;
    return false;
}

int main(int argc, char **argv) {
    struct err err = {0};
    if (!has(argc, argv, "--store") || !has(argc, argv, "--wire")) return 2;
    if (has(argc, argv, "import")) {
        char text[64] = "";
        progress("reading", 1, 2);
        if (read(0, text, sizeof(text) - 1) < 0) return 3;
        progress("unpacking", 2, 2);
        char *json auto_free = mem_printf("{\"input\":\"%s\"}", text);
        return result(json);
    }
    if (has(argc, argv, "export")) return write(1, "exported", 8) != 8 || result("{}");
    if (has(argc, argv, "verify")) raise(SIGKILL);
    if (has(argc, argv, "sweep")) {
        char text[512] = "";
        int fd = open("/dev/stdin", O_RDONLY), n = 0;
        if (!has(argc, argv, "--keep-file") || read(fd, text, sizeof(text) - 1) < 0) return 3;
        for (const char *p = text; *p; p++) n += *p == '\n';
        char *json auto_free = mem_printf("{\"kept\":%d}", n);
        return result(json);
    }
    if (has(argc, argv, "build-debian")) {
        progress("waiting", 0, 0);
        for (;;) pause();
    }
    err_set(&err, ERR_CORRUPT, 0, "busybox", "it is damaged");
    wire_send_failure(WIRE_FD, 0, &err);
    return 7;
}
