// SPDX-License-Identifier: Apache-2.0
// Registers: r2 the rights that are asked for and not yet granted, r3 the type, r4 and r5 the
// numbers of the device (struct bpf_cgroup_dev_ctx).
#include "execution/container/device_filter.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROGRAMS_MAX 64

static void emit(struct device_filter *f, uint8_t code, uint8_t to, uint8_t from, int16_t skip,
                 int32_t value) {
    struct bpf_insn insn = {
        .code = code, .dst_reg = to, .src_reg = from, .off = skip, .imm = value};
    f->failed |= !vec_try_add(&f->code, insn);
}

static void emit_load(struct device_filter *f, uint8_t to, size_t offset) {
    emit(f, BPF_LDX | BPF_MEM | BPF_W, to, BPF_REG_1, (int16_t)offset, 0);
}

static void emit_answer(struct device_filter *f, bool allow) {
    emit(f, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, allow);
    emit(f, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

void device_filter_begin(struct device_filter *f) {
    *f = (struct device_filter){0};
    emit_load(f, BPF_REG_2, offsetof(struct bpf_cgroup_dev_ctx, access_type));
    emit(f, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
    emit(f, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_3, 0, 0, 0xffff);
    emit(f, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_2, 0, 0, 16);
    emit_load(f, BPF_REG_4, offsetof(struct bpf_cgroup_dev_ctx, major));
    emit_load(f, BPF_REG_5, offsetof(struct bpf_cgroup_dev_ctx, minor));
}

void device_filter_add(struct device_filter *f, const struct device_filter_rule *rule) {
    const bool all = rule->type == 'a';
    // A number that no device has matches none.
    if (!all && (rule->major > INT32_MAX || rule->minor > INT32_MAX)) return;
    const int64_t want[] = {rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR,
                            rule->major, rule->minor};
    size_t misses[array_len(want)], n = 0;
    for (size_t i = 0; !all && i < array_len(want); i++) {
        if (want[i] < 0) continue;
        misses[n++] = f->code.len;
        emit(f, BPF_JMP | BPF_JNE | BPF_K, (uint8_t)(BPF_REG_3 + i), 0, 0, (int32_t)want[i]);
    }
    if (rule->allow) {
        emit(f, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0, ~(int32_t)rule->access);
        emit(f, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_2, 0, 2, 0);
    } else {
        emit(f, BPF_JMP | BPF_JSET | BPF_K, BPF_REG_2, 0, 1, (int32_t)rule->access);
        emit(f, BPF_JMP | BPF_JA, 0, 0, 2, 0);
    }
    emit_answer(f, rule->allow);
    if (f->failed) return;
    for (size_t i = 0; i < n; i++)
        f->code.items[misses[i]].off = (int16_t)(f->code.len - misses[i] - 1);
}

void device_filter_end(struct device_filter *f) {
    emit_answer(f, true);
}

void device_filter_free(struct device_filter *f) {
    vec_free(&f->code);
}

static int call(enum bpf_cmd command, union bpf_attr *attr) {
    long r = syscall(SYS_bpf, command, attr, sizeof(*attr));
    return r < 0 ? -errno : (int)r;
}

// Programs of this very group. Their number, or -errno.
static int query(int cgroup_fd, uint32_t ids[PROGRAMS_MAX]) {
    union bpf_attr attr = {.query = {.target_fd = (uint32_t)cgroup_fd,
                                     .attach_type = BPF_CGROUP_DEVICE,
                                     .prog_ids = (uint64_t)(uintptr_t)ids,
                                     .prog_cnt = PROGRAMS_MAX}};
    int r = call(BPF_PROG_QUERY, &attr);
    return r < 0 ? r : (int)attr.query.prog_cnt;
}

static int load(const struct device_filter *f) {
    union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
                           .insn_cnt = (uint32_t)f->code.len,
                           .insns = (uint64_t)(uintptr_t)f->code.items,
                           .license = (uint64_t)(uintptr_t) "Apache-2.0"};
    return call(BPF_PROG_LOAD, &attr);
}

static int change(enum bpf_cmd command, int cgroup_fd, int program_fd) {
    union bpf_attr attr = {.target_fd = (uint32_t)cgroup_fd,
                           .attach_bpf_fd = (uint32_t)program_fd,
                           .attach_type = BPF_CGROUP_DEVICE};
    // Programs of the groups above go on deciding too.
    if (command == BPF_PROG_ATTACH) attr.attach_flags = BPF_F_ALLOW_MULTI;
    return call(command, &attr);
}

int device_filter_attach(const struct device_filter *f, int cgroup_fd) {
    uint32_t old[PROGRAMS_MAX];
    if (f->failed) return -ENOMEM;
    int n = query(cgroup_fd, old);
    auto_close int program = load(f);
    if (program < 0) return program;
    int r = change(BPF_PROG_ATTACH, cgroup_fd, program);
    for (int i = 0; r == 0 && i < n; i++) {
        union bpf_attr attr = {.prog_id = old[i]};
        auto_close int fd = call(BPF_PROG_GET_FD_BY_ID, &attr);
        r = fd < 0 ? fd : change(BPF_PROG_DETACH, cgroup_fd, fd);
    }
    return r;
}

bool device_filter_is_attached(int cgroup_fd) {
    uint32_t ids[PROGRAMS_MAX];
    return query(cgroup_fd, ids) > 0;
}
