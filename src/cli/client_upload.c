// SPDX-License-Identifier: Apache-2.0
// Upload bodies: a descriptor's bytes, with their length declared when it is known, in chunks when
// not (RFC 9112 7.1).
#include "cli/client_int.h"

#include "base/mem.h"
#include "host/file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define PIECE_SIZE ((size_t)256 << 10)

static int send_piece(struct client *client, const uint8_t *data, size_t size, bool chunked,
                      struct err *err) {
    if (!chunked) return client_write(client, data, size, true, err);
    char line[24];
    int n = snprintf(line, sizeof(line), "%zx\r\n", size);
    int r = client_write(client, line, (size_t)n, true, err);
    if (r >= 0) r = client_write(client, data, size, true, err);
    if (r >= 0) r = client_write(client, "\r\n", 2, true, err);
    return r;
}

int client_upload(struct client *client, const struct client_request *request, struct err *err) {
    bool chunked = request->upload_size < 0;
    uint64_t left = chunked ? UINT64_MAX : (uint64_t)request->upload_size, sent = 0;
    auto_free uint8_t *piece = mem_try_zalloc(PIECE_SIZE);
    if (!piece) return err_os(err, ENOMEM, "upload", "no memory for its buffer");
    while (left > 0) {
        ssize_t n = file_read_some(request->upload_fd, piece,
                                   left < PIECE_SIZE ? (size_t)left : PIECE_SIZE);
        if (n < 0) return err_os(err, (int)-n, "upload", "cannot read it");
        if (n == 0 && chunked) break;
        if (n == 0)
            return err_set(err, ERR_CHANGED, 0, "upload", "it became shorter while it was read");
        int r = send_piece(client, piece, (size_t)n, chunked, err);
        if (r < 0) return r;
        left -= (uint64_t)n;
        sent += (uint64_t)n;
        if (request->on_sent) request->on_sent(sent, request->upload_arg);
    }
    int r = request->on_end ? request->on_end(request->upload_arg, err) : 0;
    if (r < 0) return r;
    return chunked ? client_write(client, "0\r\n\r\n", 5, true, err) : 0;
}
