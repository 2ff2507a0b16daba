// SPDX-License-Identifier: Apache-2.0
// Identifiers: RFC 9562 section 5.7 (UUID version 7) without the hyphens.
#include "base/clock.h"
#include "base/mem.h"
#include "base/random_int.h"
#include "base/text.h"
#include "base/utf8_int.h"

#include <stdbool.h>
#include <stdio.h>

void text_new_id(int64_t realtime_ns, char buf[ID_TEXT_SIZE]) {
    uint8_t id[16];
    random_bytes(id + 6, sizeof(id) - 6);
    uint64_t ms = (uint64_t)(realtime_ns / MSEC_NS);
    for (int i = 0; i < 6; i++) id[i] = (uint8_t)(ms >> (40 - 8 * i));
    id[6] = (id[6] & 0x0f) | 0x70; // version 7
    id[8] = (id[8] & 0x3f) | 0x80; // variant of the RFC
    for (size_t i = 0; i < sizeof(id); i++) snprintf(buf + 2 * i, 3, "%02x", id[i]);
}

int text_check_id(const char *what, const char *id, struct err *err) {
    size_t hex = strspn(id, "0123456789abcdef");
    if (hex == ID_TEXT_SIZE - 1 && id[hex] == '\0') return 0;
    return err_set(err, ERR_INVALID, 0, what,
                   "\"%.64s\" is not an identifier of 32 lower-case hexadecimal digits", id);
}

static bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int text_check_name(const char *what, const char *name, struct err *err) {
    const char *cause = NULL;
    if (!*name)
        cause = "is empty";
    else if (strnlen(name, NAME_MAX_LEN + 1) > NAME_MAX_LEN)
        cause = "is longer than 63 characters";
    else if (!is_alnum(name[0]))
        cause = "does not begin with a letter or digit";
    else if (strstr(name, ".."))
        cause = "contains \"..\"";
    for (const char *p = name; *p && !cause; p++)
        if (!is_alnum(*p) && !strchr("._-", *p)) cause = "contains a character that names lack";
    if (!cause) return 0;
    char object[sizeof(((struct err *)0)->object)];
    snprintf(object, sizeof(object), "%s %.64s", what, name);
    err_set(err, ERR_INVALID, 0, object, "the name %s", cause);
    return err_next(err, "use 1 to 63 letters, digits, '.', '_' or '-', a letter or digit first");
}

int text_is_utf8(const char *bytes, size_t size) {
    const uint8_t *p = (const uint8_t *)bytes;
    for (size_t n; size; p += n, size -= n)
        if (!(n = utf8_length(p, size))) return false;
    return true;
}
