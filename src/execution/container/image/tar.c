// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/tar.h"

#include "base/checked.h"
#include "base/str.h"
#include "execution/container/image/tar_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAX_MAX ((uint64_t)1 << 20)              // one extended header
#define MAP_MAX ((uint64_t)TAR_REGIONS_MAX * 44) // a sparse map as text
#define META_RUN_MAX 64 // headers that only describe the next one, in a row

struct tar_reader {
    struct stream *in;
    const char *object;
    const uint8_t *data; // of the current block of the stream
    size_t size;
    uint64_t left; // content of the entry still in the stream
    uint64_t pad;  // bytes to the next header after it
    bool ended, end_marked;
    struct tar_header header;
    struct tar_extra extra;
    char
        path[sizeof(((struct tar_header *)0)->name) + sizeof(((struct tar_header *)0)->prefix) + 2];
    char link[sizeof(((struct tar_header *)0)->link) + 1];
    struct tar_entry entry;
};

struct tar_reader *tar_reader_new(struct stream *in, const char *object) {
    struct tar_reader *tar = mem_try(struct tar_reader);
    if (!tar) return NULL;
    tar->in = in;
    tar->object = object;
    return tar;
}

void tar_reader_free(struct tar_reader *tar) {
    if (!tar) return;
    tar_extra_clear(&tar->extra);
    free(tar);
}

void tar_reader_autofree(struct tar_reader **tar) {
    tar_reader_free(*tar);
}

static int corrupt(struct tar_reader *tar, const char *cause, struct err *err) {
    return err_set(err, ERR_CORRUPT, 0, tar->object, "%s", cause);
}

// At least one byte in data/size: 1; 0 at the end of the stream.
static int refill(struct tar_reader *tar, struct err *err) {
    if (tar->size > 0) return 1;
    ssize_t n = stream_next(tar->in, &tar->data, err);
    if (n < 0) return (int)n;
    tar->size = (size_t)n;
    return n > 0;
}

// Up to `size` bytes; fewer only at the end of the stream.
static ssize_t get(struct tar_reader *tar, void *to, size_t size, struct err *err) {
    size_t have = 0;
    while (have < size) {
        int r = refill(tar, err);
        if (r < 0) return r;
        if (r == 0) break;
        size_t n = size - have < tar->size ? size - have : tar->size;
        memcpy((char *)to + have, tar->data, n);
        tar->data += n;
        tar->size -= n;
        have += n;
    }
    return (ssize_t)have;
}

static int skip(struct tar_reader *tar, uint64_t size, struct err *err) {
    while (size > 0) {
        int r = refill(tar, err);
        if (r < 0) return r;
        if (r == 0) return corrupt(tar, "the archive ends in the middle of an entry", err);
        size_t n = size < tar->size ? (size_t)size : tar->size;
        tar->data += n;
        tar->size -= n;
        size -= n;
    }
    return 0;
}

static int set_content(struct tar_reader *tar, uint64_t size, struct err *err) {
    uint64_t padded;
    if (size > INT64_MAX || !checked_align(size, TAR_BLOCK, &padded))
        return corrupt(tar, "an entry claims an impossible size", err);
    tar->left = size;
    tar->pad = padded - size;
    return 0;
}

static int skip_content(struct tar_reader *tar, struct err *err) {
    int r = skip(tar, tar->left, err);
    if (r == 0) r = skip(tar, tar->pad, err);
    tar->left = tar->pad = 0;
    return r;
}

ssize_t tar_read(struct tar_reader *tar, const uint8_t **ret, struct err *err) {
    if (tar->left == 0) return 0;
    int r = refill(tar, err);
    if (r < 0) return r;
    if (r == 0) return corrupt(tar, "the archive ends in the middle of an entry", err);
    size_t n = tar->left < tar->size ? (size_t)tar->left : tar->size;
    *ret = tar->data;
    tar->data += n;
    tar->size -= n;
    tar->left -= n;
    return (ssize_t)n;
}

int tar_read_all(struct tar_reader *tar, size_t max, char **ret, size_t *ret_size,
                 struct err *err) {
    if (tar->left > max)
        return err_set(err, ERR_TOO_LARGE, 0, tar->object,
                       "a part that should be small has %llu bytes", (unsigned long long)tar->left);
    size_t size = (size_t)tar->left;
    auto_free char *data = mem_try_array(size + 1, 1);
    if (!data) return err_os(err, ENOMEM, tar->object, "no memory to read it");
    ssize_t n = get(tar, data, size, err);
    if (n < 0) return (int)n;
    if ((size_t)n < size) return corrupt(tar, "the archive ends in the middle of an entry", err);
    tar->left = 0;
    *ret = take(data);
    *ret_size = size;
    return 0;
}

static bool is_zero(const struct tar_header *h) {
    static const struct tar_header zero;
    return memcmp(h, &zero, sizeof(zero)) == 0;
}

static bool checksum_ok(const struct tar_header *h) {
    const uint8_t *bytes = (const uint8_t *)h;
    uint64_t want;
    uint32_t sum = 0;
    int32_t signed_sum = 0; // some old writers summed signed characters
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        bool blank = i >= offsetof(struct tar_header, checksum) &&
                     i < offsetof(struct tar_header, checksum) + sizeof(h->checksum);
        sum += blank ? ' ' : bytes[i];
        signed_sum += blank ? ' ' : (int8_t)bytes[i];
    }
    return tar_number(h->checksum, sizeof(h->checksum), &want) == 0 &&
           (want == sum || want == (uint32_t)signed_sum);
}

bool tar_end_marked(const struct tar_reader *tar) {
    return tar->end_marked;
}

// The next header block: 1; 0 at the end, which is a zero block or the end of the stream.
static int read_header(struct tar_reader *tar, struct err *err) {
    ssize_t n = get(tar, &tar->header, sizeof(tar->header), err);
    if (n < 0) return (int)n;
    tar->end_marked = n == TAR_BLOCK && is_zero(&tar->header);
    if (n == 0 || tar->end_marked) return 0;
    if (n < TAR_BLOCK) return corrupt(tar, "the archive ends in the middle of a header", err);
    if (!checksum_ok(&tar->header))
        return corrupt(tar, "a header's checksum is wrong: not a tar archive, or a damaged one",
                       err);
    return 1;
}

// The content of a describing entry (pax header, long name), with a 0 behind it.
static int read_meta(struct tar_reader *tar, uint64_t max, char **ret, size_t *ret_size,
                     struct err *err) {
    uint64_t size;
    if (tar_number(tar->header.size, sizeof(tar->header.size), &size) < 0 || size > max)
        return corrupt(tar, "an extended header is too long", err);
    auto_free char *content = NULL;
    int r = set_content(tar, size, err);
    if (r == 0) r = tar_read_all(tar, (size_t)max, &content, ret_size, err);
    if (r == 0) r = skip_content(tar, err);
    if (r == 0) *ret = take(content);
    return r;
}

static int read_long_name(struct tar_reader *tar, char **where, struct err *err) {
    size_t size;
    auto_free char *text = NULL;
    int r = read_meta(tar, TAR_PATH_MAX + 1, &text, &size, err);
    if (r < 0) return r;
    free(*where);
    *where = take(text);
    return 0;
}

// 1: it was a describing entry and is digested; 0: a real one.
static int take_meta(struct tar_reader *tar, struct err *err) {
    char *records = NULL;
    size_t size;
    int r;
    switch (tar->header.type) {
    case 'L':
        r = read_long_name(tar, &tar->extra.path, err);
        break;
    case 'K':
        r = read_long_name(tar, &tar->extra.link, err);
        break;
    case 'x':
        r = read_meta(tar, PAX_MAX, &records, &size, err);
        if (r == 0) r = tar_parse_pax(&tar->extra, records, size, tar->object, err);
        break;
    case 'g': // git's comment and the like: nothing that belongs to a layer's content
    case 'V':
        r = read_meta(tar, PAX_MAX, &records, &size, err);
        free(records);
        break;
    default:
        return 0;
    }
    return r < 0 ? r : 1;
}

static int header_path(struct tar_reader *tar, struct err *err) {
    const struct tar_header *h = &tar->header;
    bool posix = memcmp(h->magic, "ustar\0", 6) == 0;
    size_t at = 0;
    if (posix && h->prefix[0]) {
        at = strnlen(h->prefix, sizeof(h->prefix));
        memcpy(tar->path, h->prefix, at);
        tar->path[at++] = '/';
    }
    size_t len = strnlen(h->name, sizeof(h->name));
    memcpy(tar->path + at, h->name, len);
    tar->path[at + len] = '\0';
    len = strnlen(h->link, sizeof(h->link));
    memcpy(tar->link, h->link, len);
    tar->link[len] = '\0';
    struct tar_extra *x = &tar->extra;
    tar->entry.path = x->sparse_name ? x->sparse_name : x->path ? x->path : tar->path;
    tar->entry.link = x->link ? x->link : tar->link;
    if (tar->entry.path[0] == '\0') return corrupt(tar, "an entry has no name", err);
    return 0;
}

static int header_type(struct tar_reader *tar, struct err *err) {
    char type = tar->header.type;
    if (type == '\0' || type == '7' || type == 'S') type = TAR_FILE;
    if (type == TAR_FILE && str_ends(tar->entry.path, "/")) type = TAR_DIR; // before POSIX
    if (type < '0' || type > '6')
        return err_set(err, ERR_CORRUPT, 0, tar->object, "an entry has the unknown type 0x%02x",
                       (uint8_t)type);
    tar->entry.type = (enum tar_type)type;
    return 0;
}

static int header_numbers(struct tar_reader *tar, struct err *err) {
    const struct tar_header *h = &tar->header;
    const struct tar_extra *x = &tar->extra;
    struct tar_entry *e = &tar->entry;
    uint64_t mode, uid = x->uid, gid = x->gid, size = x->size, mtime = 0, major = 0, minor = 0;
    bool device = e->type == TAR_CHAR || e->type == TAR_BLOCK_DEVICE;
    if (tar_number(h->mode, sizeof(h->mode), &mode) < 0 ||
        (!x->has_uid && tar_number(h->uid, sizeof(h->uid), &uid) < 0) ||
        (!x->has_gid && tar_number(h->gid, sizeof(h->gid), &gid) < 0) ||
        (!x->has_size && tar_number(h->size, sizeof(h->size), &size) < 0) ||
        (device && (tar_number(h->dev_major, sizeof(h->dev_major), &major) < 0 ||
                    tar_number(h->dev_minor, sizeof(h->dev_minor), &minor) < 0)))
        return corrupt(tar, "a header has a number that is none", err);
    if (uid >= UINT32_MAX || gid >= UINT32_MAX || major > 0xfff || minor > 0xfffff)
        return corrupt(tar, "a header has a number that is out of range", err);
    int r = x->has_mtime ? 0 : tar_number(h->mtime, sizeof(h->mtime), &mtime);
    if (r == -EBADMSG || mtime > INT64_MAX / 2)
        return corrupt(tar, "a header has a time that is none", err);
    e->mode = (uint32_t)mode & 07777;
    e->uid = (uint32_t)uid;
    e->gid = (uint32_t)gid;
    e->size = e->real_size = size;
    e->mtime_s = x->has_mtime ? x->mtime_s : (int64_t)mtime;
    e->mtime_ns = x->has_mtime ? x->mtime_ns : 0;
    e->dev_major = (uint32_t)major;
    e->dev_minor = (uint32_t)minor;
    return 0;
}

// Old GNU sparse headers: four regions in the header, 21 in each block that follows.
static int read_gnu_map(struct tar_reader *tar, struct err *err) {
    struct gnu_region {
        char offset[12], size[12];
    };
    struct gnu_block {
        struct gnu_region regions[21];
        char more, pad[7];
    } block;
    const char *old = (const char *)&tar->header + 386; // past the times in the prefix
    bool more = old[4 * sizeof(struct gnu_region)] != 0;
    memcpy(block.regions, old, 4 * sizeof(struct gnu_region));
    if (tar_number(old + 97, 12, &tar->extra.real_size) < 0)
        return corrupt(tar, "a sparse header is damaged", err);
    tar->extra.has_real_size = true;
    for (size_t n = 4;; n = array_len(block.regions)) {
        for (size_t i = 0; i < n && block.regions[i].offset[0]; i++) {
            struct tar_region region;
            if (tar_number(block.regions[i].offset, 12, &region.offset) < 0 ||
                tar_number(block.regions[i].size, 12, &region.size) < 0 ||
                tar->extra.map.len >= TAR_REGIONS_MAX || !vec_try_add(&tar->extra.map, region))
                return corrupt(tar, "a sparse header is damaged", err);
        }
        if (!more) return 0;
        ssize_t got = get(tar, &block, sizeof(block), err);
        if (got < 0) return (int)got;
        if (got < (ssize_t)sizeof(block)) return corrupt(tar, "a sparse header is cut short", err);
        more = block.more != 0;
    }
}

// A number and its line feed from the content.
static int map_line(struct tar_reader *tar, uint64_t *used, uint64_t *ret, struct err *err) {
    char line[24];
    for (size_t i = 0; i < sizeof(line); i++) {
        if (tar->left == 0 || *used >= MAP_MAX || get(tar, &line[i], 1, err) != 1)
            return corrupt(tar, "a sparse map is cut short", err);
        tar->left--;
        *used += 1;
        if (line[i] != '\n') continue;
        line[i] = '\0';
        if (tar_decimal(line, ret) == 0) return 0;
        break;
    }
    return corrupt(tar, "a sparse map is damaged", err);
}

// Sparse format 1.0: the map stands in front of the content, filled up to a block.
static int read_map_1_0(struct tar_reader *tar, struct err *err) {
    uint64_t used = 0, count;
    int r = map_line(tar, &used, &count, err);
    if (r < 0) return r;
    if (count > TAR_REGIONS_MAX) return corrupt(tar, "a sparse map is too long", err);
    tar->extra.map.len = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct tar_region region;
        r = map_line(tar, &used, &region.offset, err);
        if (r == 0) r = map_line(tar, &used, &region.size, err);
        if (r < 0) return r;
        if (!vec_try_add(&tar->extra.map, region))
            return err_os(err, ENOMEM, tar->object, "no memory to read it");
    }
    uint64_t fill = (TAR_BLOCK - used % TAR_BLOCK) % TAR_BLOCK;
    if (fill > tar->left) return corrupt(tar, "a sparse map is cut short", err);
    tar->left -= fill;
    return skip(tar, fill, err);
}

// Whatever format gave the map: ascending, inside the file, and as much content as there is.
static int check_map(struct tar_reader *tar, struct err *err) {
    struct tar_extra *x = &tar->extra;
    uint64_t end = 0, sum = 0;
    if (!x->has_real_size || x->real_size > INT64_MAX)
        return corrupt(tar, "a sparse file has no size", err);
    for (size_t i = 0; i < x->map.len; i++) {
        const struct tar_region *g = &x->map.items[i];
        if (g->offset < end || !checked_add(g->offset, g->size, &end) || end > x->real_size)
            return corrupt(tar, "a sparse map is not in order", err);
        sum += g->size;
    }
    if (sum != tar->left) return corrupt(tar, "a sparse map does not fit the content", err);
    tar->entry.sparse = true;
    tar->entry.size = tar->left;
    tar->entry.real_size = x->real_size;
    tar->entry.regions = x->map.items;
    tar->entry.n_regions = x->map.len;
    return 0;
}

static int finish_entry(struct tar_reader *tar, struct err *err) {
    struct tar_entry *e = &tar->entry;
    *e = (struct tar_entry){0};
    int r = header_path(tar, err);
    if (r == 0) r = header_type(tar, err);
    if (r == 0) r = header_numbers(tar, err);
    if (r < 0) return r;
    bool gnu_sparse = tar->header.type == 'S';
    if (gnu_sparse) r = read_gnu_map(tar, err);
    // Only files have content; sizes of other entries are said by some writers and mean nothing.
    if (e->type != TAR_FILE) e->size = e->real_size = 0;
    if (r == 0) r = set_content(tar, e->size, err);
    if (r == 0 && tar->extra.sparse && tar->extra.sparse_major == 1) r = read_map_1_0(tar, err);
    if (r == 0 && (gnu_sparse || tar->extra.sparse) && e->type == TAR_FILE) r = check_map(tar, err);
    memcpy(e->xattrs, tar->extra.xattrs, sizeof(e->xattrs));
    e->n_xattrs = tar->extra.n_xattrs;
    e->xattrs_cut = tar->extra.xattrs_cut;
    return r;
}

int tar_next(struct tar_reader *tar, struct tar_entry **ret, struct err *err) {
    if (tar->ended) return 0;
    int r = skip_content(tar, err);
    if (r < 0) return r;
    tar_extra_clear(&tar->extra);
    for (int run = 0; run < META_RUN_MAX; run++) {
        r = read_header(tar, err);
        if (r < 0) return r;
        if (r == 0) {
            tar->ended = true;
            return 0;
        }
        r = take_meta(tar, err);
        if (r < 0) return r;
        if (r > 0) continue;
        r = finish_entry(tar, err);
        *ret = &tar->entry;
        return r < 0 ? r : 1;
    }
    return corrupt(tar, "too many extended headers in a row", err);
}
