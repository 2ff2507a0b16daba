// SPDX-License-Identifier: Apache-2.0
// Tables: as narrow as their content, numbers to the right, cut to the terminal where there is one.
#include "cli/output.h"

#include "base/mem.h"

#include <string.h>

#define GAP 2       // blanks between columns
#define NARROWEST 8 // a column is not cut below this

struct cell {
    char *text;
    size_t width;
};

// One code point at s; its size in bytes. Bytes that are not UTF-8 count one each.
static size_t code_point(const char *s, uint32_t *ret) {
    const unsigned char *u = (const unsigned char *)s;
    size_t n = u[0] < 0x80 ? 1 : u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : u[0] >= 0xc0 ? 2 : 1;
    uint32_t value = n == 1 ? u[0] : u[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((u[i] & 0xc0) != 0x80) {
            *ret = u[0];
            return 1;
        }
        value = value << 6 | (u[i] & 0x3f);
    }
    *ret = value;
    return n;
}

// Columns of one code point: combining marks none, East Asian wide ones and emoji two.
static size_t point_width(uint32_t c) {
    if ((c >= 0x300 && c <= 0x36f) || (c >= 0x200b && c <= 0x200f) || (c >= 0xfe00 && c <= 0xfe0f))
        return 0;
    if ((c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
        (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
        (c >= 0xff00 && c <= 0xff60) || (c >= 0x1f300 && c <= 0x1faff) ||
        (c >= 0x20000 && c <= 0x3fffd))
        return 2;
    return 1;
}

size_t output_text_width(const char *text) {
    size_t width = 0;
    while (*text) {
        uint32_t c;
        text += code_point(text, &c);
        width += point_width(c);
    }
    return width;
}

// At most `width` columns of text; what is cut off becomes "…".
static void add_cut(struct str *ret, const char *text, size_t width) {
    size_t used = 0;
    while (*text) {
        uint32_t c;
        size_t n = code_point(text, &c), w = point_width(c);
        if (used + w > width - 1) break;
        str_add_n(ret, text, n);
        text += n;
        used += w;
    }
    str_add(ret, "…");
    for (used++; used < width; used++) str_add_char(ret, ' ');
}

static bool is_right(enum column_kind kind) {
    return kind == COLUMN_SIZE || kind == COLUMN_NUMBER || kind == COLUMN_NANO;
}

// Takes the overhang from the widest column that may be cut, again and again.
static void fit(const struct listing *listing, size_t *widths, size_t limit) {
    for (;;) {
        size_t total = 0, widest = SIZE_MAX;
        for (size_t i = 0; i < listing->n_columns; i++) {
            total += widths[i] + (i ? GAP : 0);
            if (listing->columns[i].kind != COLUMN_TEXT || widths[i] <= NARROWEST) continue;
            if (widest == SIZE_MAX || widths[i] > widths[widest]) widest = i;
        }
        if (total <= limit || widest == SIZE_MAX) return;
        size_t over = total - limit, room = widths[widest] - NARROWEST;
        widths[widest] -= over < room ? over : room;
    }
}

static void add_row(const struct listing *listing, const struct cell *cells, const size_t *widths,
                    struct str *ret) {
    for (size_t i = 0; i < listing->n_columns; i++) {
        size_t width = widths[i], have = cells[i].width;
        bool last = i + 1 == listing->n_columns, right = is_right(listing->columns[i].kind);
        if (i) str_printf(ret, "%*s", GAP, "");
        if (have > width) {
            add_cut(ret, cells[i].text, width);
            continue;
        }
        int pad = (int)(width - have);
        if (right) str_printf(ret, "%*s", pad, "");
        str_add(ret, cells[i].text);
        if (!right && !last) str_printf(ret, "%*s", pad, "");
    }
    str_add_char(ret, '\n');
}

void output_table(const struct output *output, const struct listing *listing, const json_t *items,
                  struct str *ret) {
    size_t n = listing->n_columns, rows = json_array_size(items), first = output->no_header;
    struct cell *cells = mem_try_array((rows + 1) * n, sizeof(*cells));
    size_t *widths = mem_try_array(n, sizeof(*widths));
    if (!cells || !widths) {
        ret->failed = true;
    } else {
        for (size_t row = first; row <= rows; row++) {
            for (size_t i = 0; i < n; i++) {
                struct cell *cell = &cells[row * n + i];
                struct str text = {0};
                if (row == 0)
                    str_add(&text, listing->columns[i].title);
                else
                    output_cell(output, &listing->columns[i], json_array_get(items, row - 1),
                                &text);
                cell->text = str_take(&text);
                if (!cell->text) cell->text = mem_strdup("");
                cell->width = output_text_width(cell->text);
                if (cell->width > widths[i]) widths[i] = cell->width;
            }
        }
        if (output->width > 0) fit(listing, widths, (size_t)output->width);
        for (size_t row = first; row <= rows; row++) add_row(listing, cells + row * n, widths, ret);
        for (size_t i = 0; i < (rows + 1) * n; i++) free(cells[i].text);
    }
    free(cells);
    free(widths);
}
