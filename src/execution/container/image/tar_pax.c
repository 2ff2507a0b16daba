// SPDX-License-Identifier: Apache-2.0
// pax extended header records, and the numbers of tar headers.
#include "base/checked.h"
#include "base/str.h"
#include "execution/container/image/tar_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XATTR_PREFIX "SCHILY.xattr."

void tar_extra_clear(struct tar_extra *extra) {
    free(extra->path);
    free(extra->link);
    free(extra->sparse_name);
    free(extra->records);
    vec_free(&extra->map);
    *extra = (struct tar_extra){0};
}

int tar_decimal(const char *text, uint64_t *ret) {
    uint64_t value = 0;
    if (*text == '\0') return -EBADMSG;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return -EBADMSG;
        if (!checked_mul(value, 10, &value) || !checked_add(value, (uint64_t)(*text - '0'), &value))
            return -EBADMSG;
    }
    *ret = value;
    return 0;
}

int tar_number(const char *field, size_t size, uint64_t *ret) {
    const uint8_t *f = (const uint8_t *)field;
    uint64_t value = 0;
    if (f[0] & 0x80) { // base 256, two's complement behind the marking bit
        if (f[0] & 0x40) return -ERANGE;
        for (size_t i = 0; i < size; i++) {
            if (value >> 56) return -EBADMSG;
            value = value << 8 | (i == 0 ? f[i] & 0x3f : f[i]);
        }
        *ret = value;
        return 0;
    }
    size_t i = 0;
    while (i < size && f[i] == ' ') i++;
    for (; i < size && f[i] != '\0' && f[i] != ' '; i++) {
        if (f[i] < '0' || f[i] > '7' || value >> 61) return -EBADMSG;
        value = value << 3 | (uint64_t)(f[i] - '0');
    }
    *ret = value;
    return 0;
}

// "[-]seconds[.fraction]"
static int parse_time(const char *text, int64_t *ret_s, uint32_t *ret_ns) {
    bool minus = *text == '-';
    char whole[24];
    const char *dot = strchrnul(text, '.');
    size_t len = (size_t)(dot - text) - minus;
    uint64_t seconds;
    if (len >= sizeof(whole)) return -EBADMSG;
    memcpy(whole, text + minus, len);
    whole[len] = '\0';
    if (tar_decimal(whole, &seconds) < 0 || seconds > INT64_MAX / 2) return -EBADMSG;
    uint32_t ns = 0, unit = 100000000;
    for (const char *p = *dot ? dot + 1 : dot; *p; p++, unit /= 10) {
        if (*p < '0' || *p > '9') return -EBADMSG;
        ns += unit * (uint32_t)(*p - '0');
    }
    *ret_s = minus ? -(int64_t)seconds : (int64_t)seconds;
    if (minus && ns > 0) {
        *ret_s -= 1;
        ns = 1000000000 - ns;
    }
    *ret_ns = ns;
    return 0;
}

static int set_text(char **where, const char *value) {
    if (strlen(value) > TAR_PATH_MAX) return -ENAMETOOLONG;
    free(*where);
    *where = mem_try_dup(value, strlen(value));
    return *where ? 0 : -ENOMEM;
}

static int add_region(struct tar_extra *extra, uint64_t offset, uint64_t size) {
    struct tar_region region = {offset, size};
    if (extra->map.len >= TAR_REGIONS_MAX) return -EBADMSG;
    return vec_try_add(&extra->map, region) ? 0 : -ENOMEM;
}

int tar_parse_map_text(struct tar_extra *extra, const char *text) {
    uint64_t pair[2];
    extra->map.len = 0;
    for (int i = 0; *text; i ^= 1) {
        size_t len = strcspn(text, ",");
        char number[24];
        if (len >= sizeof(number)) return -EBADMSG;
        memcpy(number, text, len);
        number[len] = '\0';
        int r = tar_decimal(number, &pair[i]);
        if (r == 0 && i == 1) r = add_region(extra, pair[0], pair[1]);
        if (r < 0) return r;
        text += len;
        if (*text == ',') text++;
    }
    return 0;
}

// The GNU.sparse.* family: 0.0 gives offset/numbytes pairs one record each, 0.1 a map as text,
// 1.0 a map in front of the content.
static int take_sparse(struct tar_extra *extra, const char *key, const char *value) {
    uint64_t n = 0;
    if (strcmp(key, "name") == 0) return set_text(&extra->sparse_name, value);
    extra->sparse = true;
    if (strcmp(key, "map") == 0) return tar_parse_map_text(extra, value);
    int r = tar_decimal(value, &n);
    if (r < 0) return r;
    if (strcmp(key, "major") == 0 || strcmp(key, "minor") == 0) {
        if (n > 1) return -EBADMSG;
        *(key[1] == 'a' ? &extra->sparse_major : &extra->sparse_minor) = (int)n;
    } else if (strcmp(key, "size") == 0 || strcmp(key, "realsize") == 0) {
        extra->has_real_size = true;
        extra->real_size = n;
    } else if (strcmp(key, "offset") == 0) {
        extra->map_open = true;
        extra->map_offset = n;
    } else if (strcmp(key, "numbytes") == 0) {
        if (!extra->map_open) return -EBADMSG;
        extra->map_open = false;
        return add_region(extra, extra->map_offset, n);
    }
    return 0;
}

static void take_xattr(struct tar_extra *extra, const char *name, const uint8_t *value,
                       size_t size) {
    for (size_t i = 0; i < extra->n_xattrs; i++)
        if (strcmp(extra->xattrs[i].name, name) == 0) {
            extra->xattrs[i] = (struct tar_xattr){name, value, size};
            return;
        }
    if (extra->n_xattrs == TAR_XATTRS_MAX)
        extra->xattrs_cut = true;
    else
        extra->xattrs[extra->n_xattrs++] = (struct tar_xattr){name, value, size};
}

static int take_record(struct tar_extra *extra, const char *key, const char *value, size_t size) {
    if (str_starts(key, XATTR_PREFIX)) {
        take_xattr(extra, key + strlen(XATTR_PREFIX), (const uint8_t *)value, size);
        return 0;
    }
    if (memchr(value, '\0', size)) return -EBADMSG;
    if (strcmp(key, "path") == 0) return set_text(&extra->path, value);
    if (strcmp(key, "linkpath") == 0) return set_text(&extra->link, value);
    if (strcmp(key, "size") == 0) {
        extra->has_size = true;
        return tar_decimal(value, &extra->size);
    }
    if (strcmp(key, "uid") == 0) {
        extra->has_uid = true;
        return tar_decimal(value, &extra->uid);
    }
    if (strcmp(key, "gid") == 0) {
        extra->has_gid = true;
        return tar_decimal(value, &extra->gid);
    }
    if (strcmp(key, "mtime") == 0) {
        extra->has_mtime = true;
        return parse_time(value, &extra->mtime_s, &extra->mtime_ns);
    }
    if (str_starts(key, "GNU.sparse.")) return take_sparse(extra, key + 11, value);
    return 0; // atime, ctime, comment, hdrcharset, vendors' own
}

// A record is "LENGTH KEY=VALUE\n", LENGTH counting all of it.
int tar_parse_pax(struct tar_extra *extra, char *records, size_t size, const char *object,
                  struct err *err) {
    free(extra->records);
    extra->records = records;
    extra->n_xattrs = 0;
    char *at = records, *end = records + size;
    while (at < end && *at != '\0') {
        size_t len = 0, room = (size_t)(end - at);
        char *p = at;
        for (; p < end && *p >= '0' && *p <= '9' && len <= room; p++)
            len = len * 10 + (size_t)(*p - '0');
        char *stop = len <= room ? at + len : at;
        char *equals = p < stop && *p == ' ' ? memchr(p, '=', (size_t)(stop - p)) : NULL;
        if (!equals || stop[-1] != '\n')
            return err_set(err, ERR_CORRUPT, 0, object, "it has a damaged pax header");
        stop[-1] = '\0';
        *equals = '\0';
        int r = take_record(extra, p + 1, equals + 1, (size_t)(stop - equals - 2));
        if (r == -ENOMEM) return err_os(err, ENOMEM, object, "no memory to read it");
        if (r < 0)
            return err_set(err, ERR_CORRUPT, 0, object, "its pax record '%.60s' is not valid",
                           p + 1);
        at = stop;
    }
    return 0;
}
