/* Stands between a process and the file calls that it makes below one folder: writes them down in order, and lets one of them fail.
 *
 * Loaded with LD_PRELOAD. The calls are caught by a seccomp filter, wherever they come from: some libraries call the kernel past libc.
 * A call that changes files in a way that is not known here ends the process, so nothing goes by unseen.
 *
 *   SHIM_FOLDER  the folder; its path as the process names it, without links and without a slash at the end
 *   SHIM_TRACE   the file that records are appended to
 *   SHIM_FAULT   "class call how lasts": of the calls that change (0) or read (1), this one (from 0) fails, and with lasts = 1 all later
 *                ones; with the error number `how`, or cut short (0), or without being done and without an error, as a planted bug (-1)
 *   SHIM_SEED    syncs take 0 to 0.5 ms
 *   SHIM_NO_ZERO_RANGE  the file system cannot zero ranges
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the file calls are caught by registers of x86-64: run this on such a machine, or teach this file another one"
#endif

enum { WRITE = 1, FALLOCATE, TRUNCATE, SYNC, SYNCED, CREATE, RENAME, UNLINK, MARK, FAULT, FOLDER };
enum { CHANGE, READ };
enum { SHORT = 0, LOST = -1, NO_FAULT = -2 };

/* Before the bytes of `name` (below the folder; two with a zero between them for RENAME) and `data`. */
struct record { uint32_t kind, thread, mode, name_len, data_len, zero; uint64_t offset, length; };

static const long KNOWN[] = {
    SYS_write, SYS_pwrite64, SYS_fallocate, SYS_ftruncate, SYS_fsync, SYS_fdatasync, SYS_open, SYS_openat, SYS_rename, SYS_renameat,
    SYS_renameat2, SYS_unlink, SYS_unlinkat, SYS_mkdir, SYS_read, SYS_pread64, SYS_getdents64,
    /* and those that end the process when they name the folder, or at all */
    SYS_creat, SYS_writev, SYS_pwritev, SYS_pwritev2, SYS_truncate, SYS_link, SYS_linkat, SYS_symlink, SYS_symlinkat, SYS_copy_file_range,
    SYS_sendfile, SYS_splice, SYS_io_uring_setup, SYS_io_submit, SYS_openat2, SYS_mkdirat, SYS_rmdir, SYS_syncfs, SYS_sync_file_range,
};
enum { KNOWN_COUNT = sizeof KNOWN / sizeof *KNOWN };

/* The one place where calls pass the filter. */
long shim_raw(long nr, long a, long b, long c, long d, long e, long f) __attribute__((visibility("hidden")));
extern char shim_raw_end[] __attribute__((visibility("hidden")));
__asm__(".hidden shim_raw\n.globl shim_raw\nshim_raw:\n mov %rdi,%rax\n mov %rsi,%rdi\n mov %rdx,%rsi\n mov %rcx,%rdx\n mov %r8,%r10\n"
        " mov %r9,%r8\n mov 8(%rsp),%r9\n syscall\n.hidden shim_raw_end\n.globl shim_raw_end\nshim_raw_end:\n ret\n");
#define RAW(nr, a, b, c, d) shim_raw(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static const char *folder;
static size_t folder_len;
static int trace = -1, refuses_zero_range;
static long fault_class = -1, fault_call, fault_how, fault_lasts, calls[2];
static uint64_t seed;
static volatile char locked;

static void lock(void) { while (__atomic_test_and_set(&locked, __ATOMIC_ACQUIRE)) RAW(SYS_sched_yield, 0, 0, 0, 0); }
static void unlock(void) { __atomic_clear(&locked, __ATOMIC_RELEASE); }

static void record(uint32_t kind, uint32_t mode, const char *name, size_t name_len, uint64_t offset, uint64_t length, const void *data, size_t data_len) {
    struct record head = { kind, RAW(SYS_gettid, 0, 0, 0, 0), mode, name_len, data_len, 0, offset, length };
    struct iovec parts[] = { { &head, sizeof head }, { (void *)name, name_len }, { (void *)data, data_len } };
    RAW(SYS_writev, trace, parts, 3, 0);
}

static void give_up(const char *why, long nr) {
    char text[200];
    int n = snprintf(text, sizeof text, "shim: system call %ld: %s\n", nr, why);
    RAW(SYS_write, 2, text, n, 0);
    RAW(SYS_exit_group, 101, 0, 0, 0);
}

/* What of a path is below the folder ("" for itself), or nothing. */
static const char *below(const char *path) {
    if (strncmp(path, folder, folder_len) || (path[folder_len] && path[folder_len] != '/')) return NULL;
    return path + folder_len + (path[folder_len] == '/');
}

/* The same of an open file, but for those that have lost their name: they are of no use after a power cut. */
static const char *below_of(long fd, char *path, size_t size) {
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%ld", fd);
    long n = RAW(SYS_readlink, link, path, size - 1, 0);
    if (n < 0) return NULL;
    path[n] = 0;
    const char *name = below(path);
    return name && !strstr(name, " (deleted)") ? name : NULL;
}

/* Under the lock: how this call is to fail. */
static long fault(int class, const char *name, long nr) {
    long call = calls[class]++;
    if (class != fault_class || call < fault_call || (call > fault_call && !fault_lasts)) return NO_FAULT;
    record(FAULT, nr, name, strlen(name), call, 0, NULL, 0);
    return fault_how;
}

static long written(long nr, long *a, const char *name) {
    uint64_t offset = nr == SYS_write ? RAW(SYS_lseek, a[0], 0, SEEK_CUR, 0) : a[3];
    long how = fault(CHANGE, name, nr), wanted = a[2];
    if (how == LOST) return wanted;
    /* A part ends where a page does. What fails for want of space has done nothing, a device may have. */
    uint64_t end = (offset + wanted / 2) / 4096 * 4096;
    long part = end > offset ? (long)(end - offset) : 0;
    if (how == SHORT && part) wanted = part;
    else if (how == EIO) wanted = part;
    else if (how > 0) wanted = 0;
    long done = wanted ? RAW(nr, a[0], a[1], wanted, a[3]) : 0;
    if (done > 0) record(WRITE, 0, name, strlen(name), offset, done, (void *)a[1], done);
    return how > 0 ? -how : done;
}

/* Nothing is synced: no power is cut here. Others go on meanwhile. The name is that of the moment when it begins: another thread may rename or
 * remove the file before and after, but not in between. */
static long synced(long nr, long fd) {
    char path[4096];
    lock();
    const char *name = below_of(fd, path, sizeof path);
    if (!name) {
        unlock();
        return 0;
    }
    long how = fault(CHANGE, name, nr);
    if (how != LOST) record(SYNC, 0, name, strlen(name), 0, 0, NULL, 0);
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    struct timespec pause = { 0, (seed >> 33) % 500000 };
    unlock();
    RAW(SYS_nanosleep, &pause, 0, 0, 0);
    lock();
    if (how != LOST) record(SYNCED, how > 0, name, strlen(name), 0, 0, NULL, 0);
    unlock();
    return how > 0 ? -how : 0;
}

static long opened(long nr, long *a) {
    long at = nr == SYS_openat, flags = a[1 + at];
    const char *path = (char *)a[at], *name = below(path);
    if (!name) return RAW(nr, a[0], a[1], a[2], a[3]);
    if (flags & O_APPEND || (flags & O_TMPFILE) == O_TMPFILE) give_up("these flags are not known", nr);
    long how = fault(flags & (O_CREAT | O_TRUNC) ? CHANGE : READ, name, nr);
    if (how > 0) return -how;
    int is_new = RAW(SYS_access, path, F_OK, 0, 0) != 0;
    long fd = RAW(nr, a[0], a[1], a[2], a[3]);
    if (fd >= 0 && is_new) record(CREATE, 0, name, strlen(name), 0, 0, NULL, 0);
    else if (fd >= 0 && flags & O_TRUNC) record(TRUNCATE, 0, name, strlen(name), 0, 0, NULL, 0);
    return fd;
}

static long named(long nr, long *a) {
    int is_rename = nr == SYS_rename || nr == SYS_renameat || nr == SYS_renameat2, at = nr == SYS_renameat || nr == SYS_renameat2;
    const char *from = below((char *)a[at || nr == SYS_unlinkat]), *to = is_rename ? below((char *)a[1 + 2 * at]) : NULL;
    if (!from && !to) return shim_raw(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (!from || (is_rename && !to)) give_up("a file comes from or goes to another folder", nr);
    long how = fault(CHANGE, from, nr);
    if (how == LOST) return 0;
    if (how > 0) return -how;
    long done = shim_raw(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (done == 0 && is_rename) {
        char both[2048];
        record(RENAME, nr == SYS_renameat2 ? a[4] : 0, both, snprintf(both, sizeof both, "%s%c%s", from, 0, to), 0, 0, NULL, 0);
    } else if (done == 0) record(nr == SYS_mkdir ? FOLDER : UNLINK, 0, from, strlen(from), 0, 0, NULL, 0);
    return done;
}

static long handle(long nr, long *a) {
    char path[4096];
    if (nr == SYS_open || nr == SYS_openat) return opened(nr, a);
    if (nr == SYS_rename || nr == SYS_renameat || nr == SYS_renameat2 || nr == SYS_unlink || nr == SYS_unlinkat || nr == SYS_mkdir) return named(nr, a);
    if (nr == SYS_write && a[0] == 1) {
        /* What the process tells is told before it is heard of. */
        record(MARK, 0, NULL, 0, 0, 0, (void *)a[1], a[2]);
        return RAW(nr, a[0], a[1], a[2], 0);
    }
    const char *name = below_of(a[nr == SYS_mmap ? 4 : 0], path, sizeof path);
    if (nr == SYS_mmap && name && a[2] & PROT_WRITE) give_up("it writes to a mapped file", nr);
    if (nr == SYS_mmap || (nr == SYS_writev && !name)) return shim_raw(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    int is_read = nr == SYS_read || nr == SYS_pread64 || nr == SYS_getdents64;
    if (!name && (is_read || nr == SYS_write || nr == SYS_pwrite64 || nr == SYS_fallocate || nr == SYS_ftruncate)) return RAW(nr, a[0], a[1], a[2], a[3]);
    if (nr == SYS_write || nr == SYS_pwrite64) return written(nr, a, name);
    if (!is_read && nr != SYS_fallocate && nr != SYS_ftruncate) give_up("it is not known how this changes files", nr);
    if (nr == SYS_fallocate && refuses_zero_range && a[1]) return -EOPNOTSUPP;
    long how = fault(is_read ? READ : CHANGE, name, nr);
    if (how == LOST && !is_read) return 0;
    if (how > 0) return -how;
    long done = RAW(nr, a[0], a[1], how == SHORT && nr != SYS_getdents64 && is_read ? (a[2] + 1) / 2 : a[2], a[3]);
    if (done == 0 && nr == SYS_fallocate) record(FALLOCATE, a[1], name, strlen(name), a[2], a[3], NULL, 0);
    if (done == 0 && nr == SYS_ftruncate) record(TRUNCATE, 0, name, strlen(name), 0, a[1], NULL, 0);
    return done;
}

static void trapped(int signal, siginfo_t *info, void *context) {
    (void)signal;
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    long a[] = { r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8], r[REG_R9] }, nr = info->si_syscall;
    if (nr == SYS_fsync || nr == SYS_fdatasync) {
        r[REG_RAX] = synced(nr, a[0]);
        return;
    }
    lock();
    r[REG_RAX] = handle(nr, a);
    unlock();
}

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("SHIM_TRACE"), *fails = getenv("SHIM_FAULT"), *random = getenv("SHIM_SEED");
    folder = getenv("SHIM_FOLDER");
    if (!folder || !file || (trace = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0) give_up("no SHIM_FOLDER or SHIM_TRACE", -1);
    folder_len = strlen(folder);
    if (fails && sscanf(fails, "%ld %ld %ld %ld", &fault_class, &fault_call, &fault_how, &fault_lasts) != 4) give_up("a wrong SHIM_FAULT", -1);
    if (random) seed = strtoull(random, NULL, 10);
    refuses_zero_range = getenv("SHIM_NO_ZERO_RANGE") != NULL;

    struct sigaction action = { .sa_sigaction = trapped, .sa_flags = SA_SIGINFO };
    uint64_t end = (uintptr_t)shim_raw_end;
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), then, otherwise)
#define GIVE(verdict) BPF_STMT(BPF_RET | BPF_K, verdict)
    struct sock_filter head[] = {
        LOAD(instruction_pointer), IF(end, 0, 3), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        IF(end >> 32, 0, 1), GIVE(SECCOMP_RET_ALLOW), LOAD(nr),
        IF(SYS_mmap, 0, 4), LOAD(args[3]), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, MAP_SHARED | MAP_ANONYMOUS), IF(MAP_SHARED, 1, 0),
        GIVE(SECCOMP_RET_ALLOW), LOAD(nr), IF(SYS_mmap, 0, 1), GIVE(SECCOMP_RET_TRAP),
    };
    enum { HEAD = sizeof head / sizeof *head };
    struct sock_filter filter[HEAD + 2 * KNOWN_COUNT + 1];
    memcpy(filter, head, sizeof head);
    for (int i = 0; i < KNOWN_COUNT; i++) {
        filter[HEAD + 2 * i] = (struct sock_filter)IF(KNOWN[i], 0, 1);
        filter[HEAD + 2 * i + 1] = (struct sock_filter)GIVE(SECCOMP_RET_TRAP);
    }
    filter[HEAD + 2 * KNOWN_COUNT] = (struct sock_filter)GIVE(SECCOMP_RET_ALLOW);
    struct sock_fprog program = { HEAD + 2 * KNOWN_COUNT + 1, filter };
    if (sigaction(SIGSYS, &action, NULL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        give_up("the calls cannot be caught here (seccomp)", -1);
}
