// SPDX-License-Identifier: Apache-2.0
// HTTPS: a TCP socket, a certificate and its key.
#include "cloud/http/http_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEM_MAX ((size_t)256 << 10)

struct http_tls {
    int fd;
    char *cert, *key;
    size_t key_size;
};

static int parse_address(const char *address, uint16_t port, struct sockaddr_storage *ret,
                         socklen_t *ret_size) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    *ret = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *ret_size = sizeof(*v4);
        return 0;
    }
    if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *ret_size = sizeof(*v6);
        return 0;
    }
    return -EINVAL;
}

static int listen_tcp(const char *address, uint16_t port, int *ret_fd, struct err *err) {
    struct sockaddr_storage sa;
    socklen_t size;
    char object[96];
    snprintf(object, sizeof(object), "address %.64s", address);
    if (parse_address(address, port, &sa, &size) < 0) {
        err_set(err, ERR_INVALID, 0, object, "it is not an IP address");
        return err_next(err, "give one such as 127.0.0.1 or ::1");
    }
    int fd auto_close = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd < 0) return err_os(err, errno, object, "no socket for HTTPS");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)); // taken over by what it accepts
    if (bind(fd, (struct sockaddr *)&sa, size) < 0)
        return err_os(err, errno, object, "HTTPS cannot be served on port %u", port);
    if (listen(fd, SOMAXCONN) < 0) return err_os(err, errno, object, "HTTPS cannot be served");
    *ret_fd = take_fd(fd);
    return 0;
}

int http_tls_open(const char *address, uint16_t port, const char *cert_file, const char *key_file,
                  struct http_tls **ret, struct err *err) {
    struct http_tls *tls = mem_new(struct http_tls);
    size_t cert_size;
    tls->fd = -1;
    int r = file_read(AT_FDCWD, cert_file, PEM_MAX, &tls->cert, &cert_size, err);
    if (r == 0) r = file_read(AT_FDCWD, key_file, PEM_MAX, &tls->key, &tls->key_size, err);
    if (r == 0) r = listen_tcp(address, port, &tls->fd, err);
    if (r < 0)
        http_tls_free(tls);
    else
        *ret = tls;
    return r;
}

void http_tls_free(struct http_tls *tls) {
    if (!tls) return;
    if (tls->fd >= 0) close(tls->fd);
    if (tls->key) explicit_bzero(tls->key, tls->key_size);
    free(tls->key);
    free(tls->cert);
    free(tls);
}

uint16_t http_tls_port(const struct http_tls *tls) {
    struct sockaddr_storage sa;
    socklen_t size = sizeof(sa);
    if (getsockname(tls->fd, (struct sockaddr *)&sa, &size) < 0) return 0;
    return ntohs(sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&sa)->sin6_port
                                          : ((struct sockaddr_in *)&sa)->sin_port);
}

int http_listen_tls(struct http_server *server, struct http_tls *tls, http_authorise_fn *authorise,
                    void *arg, struct err *err) {
    struct http_face *face;
    int r = face_start(server, take_fd(tls->fd), tls->cert, tls->key, &face, err);
    http_tls_free(tls);
    if (r < 0) return r;
    face->authorise = authorise;
    face->authorise_arg = arg;
    return 0;
}
