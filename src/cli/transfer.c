// SPDX-License-Identifier: Apache-2.0
// image import and export: whole images through a descriptor.
#include "base/clock.h"
#include "base/mem.h"
#include "cli/families.h"
#include "cli/progress.h"
#include "cli/request.h"
#include "cli/wait.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct source {
    int fd;
    int64_t size; // -1: unknown
    pid_t packer; // trine-image, which writes a directory's tar into fd; 0: none
    struct progress progress;
};

static void source_close(struct source *source) {
    if (source->fd > STDIN_FILENO) close(source->fd);
    if (source->packer > 0) process_wait(source->packer); // the closed pipe has ended it
}

// A directory becomes a tar on the way: an OCI layout as it is.
static int open_directory(const char *path, struct source *ret, struct err *err) {
    char role[4096];
    if (!process_role_path("trine-image", role, sizeof(role))) {
        err_set(err, ERR_UNSUPPORTED, 0, path,
                "directories need trine-image, which is not installed");
        return err_next(err, "make a tar of it: tar -C %s -c . | trine image import -", path);
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return err_os(err, errno, path, "cannot make a pipe");
    char *argv[] = {(char *)"trine-image", (char *)"pack", (char *)path, NULL};
    struct process_fd fds[] = {{.from = ends[1], .to = 1}, {.from = STDERR_FILENO, .to = 2}};
    struct process_spec spec = {.path = role, .argv = argv, .fds = fds, .n_fds = array_len(fds)};
    int r = process_spawn(&spec, &ret->packer, NULL, err);
    close(ends[1]);
    if (r < 0) {
        ret->packer = 0;
        close(ends[0]);
        return r;
    }
    ret->fd = ends[0];
    return 0;
}

static int source_open(const char *path, struct source *ret, struct err *err) {
    struct stat st;
    *ret = (struct source){.fd = -1, .size = -1};
    if (strcmp(path, "-") == 0) {
        ret->fd = STDIN_FILENO;
        if (!isatty(STDIN_FILENO)) return 0;
        err_set(err, ERR_INVALID, 0, "argument -", "standard input is a terminal, not a tar");
        return err_next(err, "pipe one into it, or name a file");
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) return err_os(err, errno, path, "cannot open it");
    if (S_ISDIR(st.st_mode)) {
        close(fd);
        return open_directory(path, ret, err);
    }
    ret->fd = fd;
    if (S_ISREG(st.st_mode)) ret->size = st.st_size;
    return 0;
}

static void on_sent(uint64_t sent, void *arg) {
    struct source *source = arg;
    progress_update(&source->progress, "uploading", sent,
                    source->size > 0 ? (uint64_t)source->size : 0, true);
}

// A directory that could not be read to its end must not become an image.
static int on_end(void *arg, struct err *err) {
    struct source *source = arg;
    if (source->packer <= 0) return 0;
    int code = process_wait(source->packer);
    source->packer = 0;
    if (code == 0) return 0;
    return err_set(err, ERR_IO, 0, "trine-image", "packing the directory failed with code %d",
                   code);
}

static int upload(const struct cli_call *call, struct source *source, json_t **ret_operation,
                  struct err *err) {
    auto_str struct str url = {0};
    request_target(call, NULL, &url);
    struct client_request request = {
        .method = "POST",
        .path = str_text(&url),
        .upload = true,
        .upload_fd = source->fd,
        .upload_size = source->size,
        .on_sent = on_sent,
        .on_end = on_end,
        .upload_arg = source,
    };
    auto_interrupt struct interrupt interrupt = {.fd = -1};
    interrupt_begin(&interrupt);
    client_set_interrupt(call->client, interrupt.fd);
    int r = client_send(call->client, &request, err);
    client_set_interrupt(call->client, -1);
    progress_end(&source->progress);
    return r < 0 ? r : client_read_json(call->client, ret_operation, err);
}

int image_import(const struct cli_call *call, struct err *err) {
    struct source source;
    json_t *operation = NULL, *result = NULL;
    const char *path = call->args->words.items[0];
    int r = source_open(path, &source, err);
    if (r >= 0) {
        client_may_start(call->client);
        progress_init(&source.progress, clock_system(), call->output.quiet);
        r = upload(call, &source, &operation, err);
        if (r < 0) err_while(err, "importing %s", path);
    }
    source_close(&source);
    if (r >= 0) r = wait_operation(call, operation, &result, err);
    if (r >= 0) r = image_print_made(call, result, err);
    json_decref(operation);
    json_decref(result);
    return r;
}

static int download(const struct cli_call *call, int fd, struct err *err) {
    auto_str struct str url = {0};
    struct progress progress;
    struct span data;
    uint64_t done = 0;
    request_target(call, call->args->words.items[0], &url);
    struct client_request request = {.path = str_text(&url), .accept = "application/x-tar"};
    int r = client_send(call->client, &request, err);
    const char *length = r >= 0 ? client_field(call->client, "Content-Length") : NULL;
    uint64_t total = length ? strtoull(length, NULL, 10) : 0;
    progress_init(&progress, clock_system(), call->output.quiet);
    while (r >= 0 && (r = client_read(call->client, &data, err)) == 1) {
        r = file_write_all(fd, data.data, data.size);
        if (r < 0) err_os(err, -r, "output", "cannot write the tar");
        done += data.size;
        progress_update(&progress, "exporting", done, total, true);
    }
    progress_end(&progress);
    return r;
}

// Into a neighbour, which takes the name when it is complete: nobody sees half a tar.
static int download_file(const struct cli_call *call, const char *path, struct err *err) {
    auto_free char *temporary = mem_printf("%s.XXXXXX", path);
    auto_close int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) return err_os(err, errno, path, "cannot make a file beside it");
    mode_t mask = umask(0);
    umask(mask);
    fchmod(fd, 0666 & ~mask);
    int r = download(call, fd, err);
    if (r >= 0 && fsync(fd) < 0) r = err_os(err, errno, path, "cannot write it");
    if (r >= 0 && rename(temporary, path) < 0)
        r = err_os(err, errno, path, "cannot put it in place");
    if (r < 0) unlink(temporary);
    return r;
}

int image_export(const struct cli_call *call, struct err *err) {
    const char *path = args_value(call->args, "output");
    if (path && strcmp(path, "-") != 0) return download_file(call, path, err);
    if (call->output.terminal) {
        err_set(err, ERR_INVALID, 0, "standard output", "a terminal is no place for a tar");
        return err_next(err, "name a file with -o FILE, or pipe it on");
    }
    return download(call, STDOUT_FILENO, err);
}
