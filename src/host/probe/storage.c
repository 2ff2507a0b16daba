// SPDX-License-Identifier: Apache-2.0
// Ways to attach volumes to the host, and file systems.
#include "host/probe/probe_int.h"

#include "base/mem.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool has_modules(void) {
    return access("/proc/modules", R_OK) == 0;
}

static void absent(struct probe_result *ret, const char *module, const char *what) {
    char fix[200];
    snprintf(fix, sizeof(fix), has_modules() ? "modprobe %s" : "use a kernel built with %s",
             module);
    probe_say(ret, PROBE_NO, fix, "%s", what);
}

void probe_device(const struct probe *probe, struct probe_result *ret) {
    int fd auto_close = open(probe->word, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    char what[128];
    if (fd >= 0) {
        probe_say(ret, PROBE_YES, NULL, "%s opens", probe->word);
    } else if (errno == EACCES || errno == EPERM) {
        probe_say(ret, PROBE_PARTLY, "run as root, or let the device's group include you",
                  "%s is there, but not for you", probe->word);
    } else {
        snprintf(what, sizeof(what), "%s: %s", probe->word, strerror(errno));
        absent(ret, probe->more, what);
    }
}

void probe_filesystem(const struct probe *probe, struct probe_result *ret) {
    char *text auto_free = NULL, line[64];
    snprintf(line, sizeof(line), "\t%s\n", probe->word);
    if (file_read(AT_FDCWD, "/proc/filesystems", 65536, &text, NULL, NULL) == 0 &&
        strstr(text, line)) {
        probe_say(ret, PROBE_YES, NULL, "the kernel has it");
        return;
    }
    absent(ret, probe->word, "the kernel does not have it (or has not loaded it)");
}

void probe_io_uring(const struct probe *probe, struct probe_result *ret) {
    struct io_uring_params params = {0};
    int fd auto_close = (int)syscall(SYS_io_uring_setup, 4, &params);
    if (fd >= 0)
        probe_say(ret, PROBE_YES, NULL, "rings can be made");
    else
        probe_say(ret, PROBE_PARTLY, "sysctl kernel.io_uring_disabled=0",
                  "%s: slower ways are used", strerror(errno));
}
