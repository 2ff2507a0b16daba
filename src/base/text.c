// SPDX-License-Identifier: Apache-2.0
// Numbers with units. All parsers take ASCII decimal digits only: no signs, spaces or exponents.
#include "base/text.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// 0, -EINVAL when there is no digit, -ERANGE past 64 bits.
static int take_u64(const char **text, uint64_t *ret) {
    if (!is_digit(**text)) return -EINVAL;
    uint64_t value = 0;
    for (; is_digit(**text); (*text)++)
        if (!checked_mul(value, 10, &value) ||
            !checked_add(value, (uint64_t)(**text - '0'), &value))
            return -ERANGE;
    *ret = value;
    return 0;
}

// ".125" as billionths; *ret is 0 without a point. -EINVAL for no digit or more than nine.
static int take_fraction(const char **text, uint64_t *ret_nano) {
    *ret_nano = 0;
    if (**text != '.') return 0;
    (*text)++;
    if (!is_digit(**text)) return -EINVAL;
    uint64_t unit = 100000000;
    for (; is_digit(**text); (*text)++, unit /= 10) {
        if (unit == 0) return -EINVAL;
        *ret_nano += unit * (uint64_t)(**text - '0');
    }
    return 0;
}

static int bad_value(struct err *err, int r, const char *what, const char *text, const char *noun,
                     const char *next) {
    if (r == -ERANGE)
        err_set(err, ERR_INVALID, 0, what, "\"%.64s\" is too large", text);
    else
        err_set(err, ERR_INVALID, 0, what, "\"%.64s\" is not %s", text, noun);
    return err_next(err, "%s", next);
}

// The unit after a size: "", "B", "K", "KB", "Ki", "KiB", … Shift of its power of two, or -1.
static int size_unit_shift(const char *unit) {
    static const char letters[] = "KMGTkmgt";
    int shift = 0;
    const char *at = *unit ? strchr(letters, *unit) : NULL;
    if (at) {
        shift = ((int)(at - letters) % 4 + 1) * 10;
        unit++;
        if (*unit == 'i') unit++;
    }
    if (*unit == 'B') unit++;
    return *unit ? -1 : shift;
}

static int parse_size(const char *text, uint64_t *ret) {
    uint64_t whole, nano;
    int r = take_u64(&text, &whole);
    if (r == 0) r = take_fraction(&text, &nano);
    if (r < 0) return r;
    int shift = size_unit_shift(text);
    if (shift < 0 || (shift == 0 && nano != 0)) return -EINVAL;
    // nano < 2^30 and shift <= 40: the product needs more than 64 bits.
    uint64_t part = (uint64_t)(((unsigned __int128)nano << shift) / 1000000000);
    if (!checked_mul(whole, UINT64_C(1) << shift, &whole) || !checked_add(whole, part, ret))
        return -ERANGE;
    return 0;
}

int text_parse_size(const char *what, const char *text, uint64_t *ret_bytes, struct err *err) {
    int r = parse_size(text, ret_bytes);
    if (r == 0) return 0;
    return bad_value(err, r, what, text, "a size",
                     "give a number with a unit of K, M, G or T, as in 512M or 1.5G");
}

static int64_t duration_unit_ns(const char **text) {
    static const struct {
        const char *word;
        int64_t ns;
    } units[] = {{"ms", MSEC_NS},
                 {"s", SEC_NS},
                 {"m", 60 * SEC_NS},
                 {"h", 3600 * SEC_NS},
                 {"d", 24 * 3600 * SEC_NS}};
    for (size_t i = 0; i < array_len(units); i++) {
        size_t len = strlen(units[i].word);
        if (strncmp(*text, units[i].word, len) != 0) continue;
        *text += len;
        return units[i].ns;
    }
    return 0;
}

static int parse_duration(const char *text, int64_t *ret_ns) {
    int64_t total = 0;
    bool first = true;
    do {
        uint64_t count;
        int r = take_u64(&text, &count);
        if (r < 0) return r;
        int64_t unit = first && !*text ? SEC_NS : duration_unit_ns(&text), part;
        if (unit == 0) return -EINVAL;
        if (__builtin_mul_overflow(count, unit, &part) ||
            __builtin_add_overflow(total, part, &total))
            return -ERANGE;
        first = false;
    } while (*text);
    *ret_ns = total;
    return 0;
}

int text_parse_duration(const char *what, const char *text, int64_t *ret_ns, struct err *err) {
    int r = parse_duration(text, ret_ns);
    if (r == 0) return 0;
    return bad_value(err, r, what, text, "a duration",
                     "give seconds or numbers with units of ms, s, m, h or d, as in 90s or 1m30s");
}

int text_parse_u64(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *ret,
                   struct err *err) {
    const char *at = text;
    uint64_t value;
    int r = take_u64(&at, &value);
    if (r == 0 && *at) r = -EINVAL;
    if (r == -EINVAL)
        err_set(err, ERR_INVALID, 0, what, "\"%.64s\" is not a whole number", text);
    else if (r == -ERANGE || value < min || value > max)
        r = err_set(err, ERR_INVALID, 0, what, "%.64s is out of range", text);
    if (r < 0)
        return err_next(err, "give a number of %llu to %llu", (unsigned long long)min,
                        (unsigned long long)max);
    *ret = value;
    return 0;
}

int text_parse_nano(const char *what, const char *text, uint64_t *ret_nano, struct err *err) {
    const char *at = text;
    uint64_t whole, nano;
    int r = take_u64(&at, &whole);
    if (r == 0) r = take_fraction(&at, &nano);
    if (r == 0 && *at) r = -EINVAL;
    if (r == 0 && (!checked_mul(whole, 1000000000, &whole) || !checked_add(whole, nano, &whole)))
        r = -ERANGE;
    if (r < 0)
        return bad_value(err, r, what, text, "a number",
                         "give a decimal number with at most 9 digits after the point, as in 1.5");
    *ret_nano = whole;
    return 0;
}

const char *text_format_size(uint64_t bytes, char buf[SIZE_TEXT_SIZE]) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    // Tenths of the unit, rounded; the next unit begins where 1024.0 would be shown.
    unsigned __int128 tenths = (unsigned __int128)bytes * 10;
    while (tenths >= 10240 && unit + 1 < array_len(units)) {
        unit++;
        unsigned __int128 divisor = (unsigned __int128)1 << (10 * unit);
        tenths = ((unsigned __int128)bytes * 10 + divisor / 2) / divisor;
    }
    unsigned whole = (unsigned)(tenths / 10), tenth = (unsigned)(tenths % 10);
    if (tenth)
        snprintf(buf, SIZE_TEXT_SIZE, "%u.%u %s", whole, tenth, units[unit]);
    else
        snprintf(buf, SIZE_TEXT_SIZE, "%u %s", whole, units[unit]);
    return buf;
}

const char *text_format_age(int64_t ns, char buf[AGE_TEXT_SIZE]) {
    int64_t seconds = ns < 0 ? 0 : ns / SEC_NS;
    if (seconds < 60)
        snprintf(buf, AGE_TEXT_SIZE, "%d s", (int)seconds);
    else if (seconds < 3600)
        snprintf(buf, AGE_TEXT_SIZE, "%d min", (int)(seconds / 60));
    else if (seconds < 86400)
        snprintf(buf, AGE_TEXT_SIZE, "%d h", (int)(seconds / 3600));
    else
        snprintf(buf, AGE_TEXT_SIZE, "%d d", (int)(seconds / 86400));
    return buf;
}
