// SPDX-License-Identifier: Apache-2.0
// An image out of one static program: busybox, a link for each of its applets, and the few files
// that programs expect. The same program gives the same digests.
#include "base/bytes.h"
#include "base/str.h"
#include "execution/container/image/import.h"
#include "host/file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSYBOX_MAX ((size_t)64 << 20)

struct builder {
    struct str tar;
    int64_t mtime_s;
};

static int put(void *arg, const void *data, size_t size, struct err *err) {
    struct builder *b = arg;
    str_add_n(&b->tar, data, size);
    return b->tar.failed ? err_os(err, ENOMEM, "busybox", "no memory to build the image") : 0;
}

static int add(struct builder *b, enum tar_type type, const char *path, uint32_t mode,
               const char *link, const void *data, size_t size, struct err *err) {
    struct tar_entry entry = {.type = type,
                              .path = path,
                              .link = link,
                              .mode = mode,
                              .size = size,
                              .mtime_s = b->mtime_s};
    int r = tar_write_header(&entry, put, b, err);
    if (r == 0 && size > 0) r = put(b, data, size, err);
    return r < 0 ? r : tar_write_pad(size, put, b, err);
}

static int add_dirs(struct builder *b, struct err *err) {
    static const struct {
        const char *path;
        uint32_t mode;
    } dirs[] = {
        {"./", 0755},       {"bin/", 0755},      {"dev/", 0755},      {"etc/", 0755},
        {"home/", 0755},    {"mnt/", 0755},      {"proc/", 0555},     {"root/", 0700},
        {"run/", 0755},     {"sbin/", 0755},     {"sys/", 0555},      {"tmp/", 01777},
        {"usr/", 0755},     {"usr/bin/", 0755},  {"usr/sbin/", 0755}, {"var/", 0755},
        {"var/log/", 0755}, {"var/tmp/", 01777},
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < array_len(dirs); i++)
        r = add(b, TAR_DIR, dirs[i].path, dirs[i].mode, NULL, NULL, 0, err);
    return r;
}

static int add_files(struct builder *b, struct err *err) {
    static const char *const files[][2] = {
        {"etc/group", "root:x:0:\ndaemon:x:1:\ntty:x:5:\nwww-data:x:33:\nnogroup:x:65534:\n"},
        {"etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"},
        {"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
        {"etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
                       "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
                       "www-data:x:33:33:www-data:/var/www:/bin/false\n"
                       "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"},
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < array_len(files); i++)
        r = add(b, TAR_FILE, files[i][0], 0644, NULL, files[i][1], strlen(files[i][1]), err);
    return r;
}

static bool applet_ok(const char *path) {
    static const char *const places[] = {"bin/", "sbin/", "usr/bin/", "usr/sbin/"};
    if (strcmp(path, "bin/busybox") == 0) return false;
    for (size_t i = 0; i < array_len(places); i++)
        if (str_starts(path, places[i])) {
            const char *name = path + strlen(places[i]);
            return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
        }
    return false; // "linuxrc" and the like
}

static int add_applets(struct builder *b, const char *applets, struct err *err) {
    auto_free char *list = mem_strdup(applets);
    char *save = NULL;
    size_t n = 0;
    int r = 0;
    for (char *path = strtok_r(list, "\r\n", &save); path && r == 0;
         path = strtok_r(NULL, "\r\n", &save)) {
        if (!applet_ok(path)) continue;
        r = add(b, TAR_SYMLINK, path, 0777, "/bin/busybox", NULL, 0, err);
        n++;
    }
    if (r == 0 && n == 0)
        r = err_set(err, ERR_INVALID, 0, "busybox", "the program lists no applets");
    return r;
}

// A program that wants an interpreter (the dynamic loader) could not start in the image.
static int check_static(const uint8_t *data, size_t size, struct err *err) {
    const Elf64_Ehdr *header = (const void *)data;
    bool wide = size >= sizeof(*header) && memcmp(data, ELFMAG, SELFMAG) == 0;
    if (!wide) return err_set(err, ERR_INVALID, 0, "busybox", "it is not a program");
    if (header->e_ident[EI_CLASS] != ELFCLASS64) return 0;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        Elf64_Phdr segment;
        uint64_t at = header->e_phoff + (uint64_t)i * header->e_phentsize;
        if (header->e_phoff > size || at > size || size - at < sizeof(segment)) break;
        memcpy(&segment, data + at, sizeof(segment));
        if (segment.p_type != PT_INTERP) continue;
        err_set(err, ERR_INVALID, 0, "busybox", "it is not linked statically");
        return err_next(err, "install busybox-static, or name a static one with --busybox");
    }
    return 0;
}

static int build(struct builder *b, const struct image_busybox_options *options, struct err *err) {
    char path[FD_PATH_SIZE];
    auto_free char *program = NULL;
    size_t size;
    int r =
        file_read(AT_FDCWD, fd_path(options->busybox_fd, path), BUSYBOX_MAX, &program, &size, err);
    if (r == 0) r = check_static((const uint8_t *)program, size, err);
    if (r == 0) r = add_dirs(b, err);
    if (r == 0) r = add(b, TAR_FILE, "bin/busybox", 0755, NULL, program, size, err);
    if (r == 0) r = add_applets(b, options->applets, err);
    if (r == 0) r = add_files(b, err);
    return r < 0 ? r : tar_write_end(put, b, err);
}

int image_build_busybox(struct image_store *store, const struct image_busybox_options *options,
                        char **ret_json, struct err *err) {
    static const char *const shell[] = {"/bin/sh", NULL}, *const own_name[] = {"busybox", NULL};
    struct image_import_options import_options = IMAGE_IMPORT_OPTIONS_DEFAULT;
    struct builder b = {.mtime_s = options->created_ns / SEC_NS};
    struct import im;
    import_options.names = options->names ? options->names : own_name;
    import_options.created_ns = options->created_ns;
    import_options.comment = "busybox";
    import_options.cmd = shell;
    int r = build(&b, options, err);
    if (r == 0) r = import_begin(&im, store, &import_options, err);
    if (r == 0) {
        r = import_rootfs(&im, stream_memory(b.tar.data, b.tar.len), err);
        if (r == 0) r = import_finish(&im, ret_json, err);
        import_free(&im);
    }
    str_free(&b.tar);
    return r;
}
