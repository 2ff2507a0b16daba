// SPDX-License-Identifier: Apache-2.0
// The two files that a supervisor leaves for others: shim.pid and exit.json (wire/layout.h).
#include "execution/container/supervisor_int.h"

#include "base/str.h"
#include "host/process.h"
#include "wire/layout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

int supervisor_write_pid(int dir_fd, struct err *err) {
    uint64_t start_time;
    int rc = process_start_time(getpid(), &start_time);
    if (rc < 0) return err_os(err, -rc, "supervisor", "cannot read its own start time");
    char *text auto_free = mem_printf("%d %" PRIu64 "\n", (int)getpid(), start_time);
    return file_write_volatile(dir_fd, LAYOUT_SHIM_PID, text, strlen(text), 0600, err);
}

char *supervisor_record_text(const struct supervisor_record *record) {
    struct str json auto_str = {0};
    str_printf(&json,
               "{\"version\":1,\"exit_code\":%d,\"oom_killed\":%s,\"started_ns\":%" PRId64
               ",\"finished_ns\":%" PRId64 ",\"failure\":",
               record->exit_code, record->oom_killed ? "true" : "false", record->started_ns,
               record->finished_ns);
    str_add_json(&json, record->failure);
    str_add(&json, "}\n");
    return str_take(&json);
}

int supervisor_write_record(int dir_fd, const struct supervisor_record *record, struct err *err) {
    char *text auto_free = supervisor_record_text(record);
    if (!text) return err_set(err, ERR_NO_SPACE, 0, LAYOUT_EXIT, "no memory to write it");
    return file_write_volatile(dir_fd, LAYOUT_EXIT, text, strlen(text), 0600, err);
}
