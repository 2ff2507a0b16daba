// SPDX-License-Identifier: Apache-2.0
// Levels that need a machine. The KVM probe runs a guest of a few bytes: the device file alone proves nothing, because
// nested hosts offer a KVM that emulates guest kernels instruction by instruction and fails on ordinary ones.
#include "host/probe/probe_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GUEST_SIZE 0x10000
#define GUEST_CODE 0x1000
#define GUEST_TABLES 0x2000
#define GUEST_OK 0x5a

// Long mode, ring 0: what any kernel does, and what emulators leave out.
static const uint8_t guest[] = {
    0x48, 0x8d,     0x3c, 0x25, 0x00, 0x80, 0x00, 0x00, // lea rdi, [0x8000]
    0x31, 0xc0,                                         // xor eax, eax
    0x31, 0xd2,                                         // xor edx, edx
    0xbb, 0x01,     0x00, 0x00, 0x00,                   // mov ebx, 1
    0x31, 0xc9,                                         // xor ecx, ecx
    0xf0, 0x48,     0x0f, 0xc7, 0x0f,                   // lock cmpxchg16b [rdi]
    0x48, 0x0f,     0xae, 0x87, 0x00, 0x01, 0x00, 0x00, // fxsave64 [rdi + 256]
    0x48, 0x0f,     0xae, 0x8f, 0x00, 0x01, 0x00, 0x00, // fxrstor64 [rdi + 256]
    0xb0, GUEST_OK,                                     // mov al, 0x5a
    0xe6, 0x10,                                         // out 0x10, al
    0xf4,                                               // hlt
};

enum { KVM_RUNS, KVM_ABSENT, KVM_REFUSED, KVM_BROKEN, KVM_EMULATES };

static void set_long_mode(struct kvm_sregs *s) {
    struct kvm_segment code = {
        .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
    struct kvm_segment data = {
        .limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
    s->cs = code;
    s->ds = s->es = s->fs = s->gs = s->ss = data;
    s->cr3 = GUEST_TABLES;
    s->cr4 = 0x20 | 0x200; // PAE, OSFXSR
    s->cr0 = 0x80000001 | 0x20;
    s->efer = 0x500; // LME, LMA
}

static int run_guest(const void *arg) {
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) return errno == ENOENT ? KVM_ABSENT : KVM_REFUSED;
    int vm = ioctl(kvm, KVM_CREATE_VM, 0);
    uint8_t *memory =
        mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (vm < 0 || memory == MAP_FAILED) return KVM_BROKEN;
    memcpy(memory + GUEST_CODE, guest, sizeof(guest));
    uint64_t pml4 = (GUEST_TABLES + 0x1000) | 3, pdpt = (GUEST_TABLES + 0x2000) | 3, large = 0x83;
    memcpy(memory + GUEST_TABLES, &pml4, 8);
    memcpy(memory + GUEST_TABLES + 0x1000, &pdpt, 8);
    memcpy(memory + GUEST_TABLES + 0x2000, &large, 8);
    struct kvm_userspace_memory_region region = {.memory_size = GUEST_SIZE,
                                                 .userspace_addr = (uintptr_t)memory};
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0) return KVM_BROKEN;
    int cpu = ioctl(vm, KVM_CREATE_VCPU, 0), size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (cpu < 0 || size <= 0) return KVM_BROKEN;
    struct kvm_run *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
    struct kvm_sregs sregs;
    struct kvm_regs regs = {.rip = GUEST_CODE, .rflags = 2, .rsp = 0x7000};
    if (run == MAP_FAILED || ioctl(cpu, KVM_GET_SREGS, &sregs) < 0) return KVM_BROKEN;
    set_long_mode(&sregs);
    if (ioctl(cpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(cpu, KVM_SET_REGS, &regs) < 0)
        return KVM_BROKEN;
    if (ioctl(cpu, KVM_RUN, 0) < 0) return KVM_BROKEN;
    if (run->exit_reason != KVM_EXIT_IO) return KVM_EMULATES;
    return ((uint8_t *)run)[run->io.data_offset] == GUEST_OK ? KVM_RUNS : KVM_EMULATES;
}

void probe_kvm(const struct probe *probe, struct probe_result *ret) {
    int rc = probe_child(run_guest, NULL);
    if (rc == KVM_RUNS)
        probe_say(ret, PROBE_PARTLY, "wait for the release that brings the monitor",
                  "KVM runs guest kernels here; this release has no machine monitor yet");
    else if (rc == KVM_ABSENT)
        probe_say(
            ret, PROBE_NO,
            "enable VT-x or AMD-V (nested, in a virtual machine) and load kvm_intel or kvm_amd",
            "there is no /dev/kvm");
    else if (rc == KVM_REFUSED)
        probe_say(ret, PROBE_NO, "add yourself to group kvm", "/dev/kvm cannot be opened");
    else
        probe_say(ret, PROBE_NO, "use a host with hardware virtualization",
                  rc == KVM_EMULATES
                      ? "/dev/kvm only emulates: it fails on instructions that every kernel uses"
                      : "/dev/kvm does not run a guest");
}

void probe_soft(const struct probe *probe, struct probe_result *ret) {
    probe_say(ret, PROBE_NO, "wait for the release that brings it",
              "this release has no software CPU yet");
}

void probe_language(const struct probe *probe, struct probe_result *ret) {
    probe_say(ret, PROBE_NO, "wait for the release that brings them",
              "this release has no bytecode machines yet");
}
