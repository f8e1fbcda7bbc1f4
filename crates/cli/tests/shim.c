/* Preloaded into a run: makes system calls fail, be interrupted, or tell another time. What it does stands in OUTCROP_SHIM:
 *
 *   fail=CALL:N   the Nth CALL (from 0) and all after it fail with EIO; SHIM_FIRED is created when one did
 *   interrupt     every other call fails with EINTR, and a timer interrupts those that wait, a thousand times a second
 *   slow:MILLIS   every write by position takes that long
 *   save:N:SIGNAL that signal comes when the Nth save of a checkpoint (a file *.ckpt, from 1) is whole, and later saves take
 *                 a tenth of a second each, so that the run is not over before it has heard
 *   end           the run is killed where it would remove its checkpoint (a file *.ckpt)
 *   peak          the most memory that was resident is written to SHIM_FIRED at the end, in KiB
 *   clock         the time of day jumps by years, the monotonic clock back by hours
 *
 * Standard input, output and error are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const char *mode(void) {
    const char *text = getenv("OUTCROP_SHIM");
    return text ? text : "";
}

/* Whether a call of that name is to fail now. */
static int fails(const char *name, int fd) {
    static atomic_long calls, turns;
    const char *text = mode();
    if (fd >= 0 && fd <= 2) return 0;
    if (!strcmp(text, "interrupt")) {
        if (!strcmp(name, "madvise") || atomic_fetch_add(&turns, 1) % 2) return 0;
        errno = EINTR;
        return 1;
    }
    size_t length = strlen(name);
    if (strncmp(text, "fail=", 5) || strncmp(text + 5, name, length) || text[5 + length] != ':') return 0;
    if (atomic_fetch_add(&calls, 1) < atol(text + 6 + length)) return 0;
    const char *fired = getenv("SHIM_FIRED");
    if (fired) close(syscall(SYS_openat, AT_FDCWD, fired, O_CREAT | O_WRONLY, 0600));
    /* What a page that cannot be read is answered with when it is asked for. */
    errno = strcmp(name, "madvise") ? EIO : EFAULT;
    return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t read(int fd, void *p, size_t n) { return fails("read", fd) ? -1 : NEXT(read)(fd, p, n); }
ssize_t write(int fd, const void *p, size_t n) { return fails("write", fd) ? -1 : NEXT(write)(fd, p, n); }
ssize_t pread64(int fd, void *p, size_t n, off64_t at) { return fails("pread", fd) ? -1 : NEXT(pread64)(fd, p, n, at); }
/* Sleeps on after a signal, as a disk that is slow does. */
static void wait_millis(long millis) {
    struct timespec left = { millis / 1000, millis % 1000 * 1000000 };
    while (nanosleep(&left, &left) && errno == EINTR) {}
}
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) {
    if (!strncmp(mode(), "slow:", 5)) wait_millis(atol(mode() + 5));
    return fails("pwrite", fd) ? -1 : NEXT(pwrite64)(fd, p, n, at);
}
int fsync(int fd) { return fails("fsync", fd) ? -1 : NEXT(fsync)(fd); }
int fdatasync(int fd) { return fails("fsync", fd) ? -1 : NEXT(fdatasync)(fd); }
int ftruncate64(int fd, off64_t n) { return fails("ftruncate", fd) ? -1 : NEXT(ftruncate64)(fd, n); }
static int is_checkpoint(const char *path) {
    size_t length = strlen(path);
    return length > 5 && !strcmp(path + length - 5, ".ckpt");
}
static void saved(void) {
    static atomic_long saves;
    char *rest;
    long wanted = strtol(mode() + 5, &rest, 10), n = atomic_fetch_add(&saves, 1) + 1;
    if (n == wanted) kill(getpid(), atoi(rest + 1));
    if (n >= wanted) wait_millis(100);
}
int rename(const char *a, const char *b) {
    int answer = fails("rename", -1) ? -1 : NEXT(rename)(a, b);
    if (answer == 0 && !strncmp(mode(), "save:", 5) && is_checkpoint(b)) saved();
    return answer;
}
int unlink(const char *path) {
    if (!strcmp(mode(), "end") && is_checkpoint(path)) kill(getpid(), SIGKILL);
    return NEXT(unlink)(path);
}
int madvise(void *p, size_t n, int advice) {
    return advice == 22 /* MADV_POPULATE_READ */ && fails("madvise", -1) ? -1 : NEXT(madvise)(p, n, advice);
}

int clock_gettime(clockid_t clock, struct timespec *t) {
    static atomic_ulong calls;
    long answer = syscall(SYS_clock_gettime, clock, t);
    if (answer == 0 && !strcmp(mode(), "clock")) {
        unsigned long n = atomic_fetch_add(&calls, 1) * 2654435761u % 1000;
        if (clock == CLOCK_REALTIME) t->tv_sec += ((long)n - 500) * 4000000;
        /* Never ahead: waits until a moment that only we believe in would not end. */
        if (clock == CLOCK_MONOTONIC) t->tv_sec = t->tv_sec > (long)n * 10 ? t->tv_sec - (long)n * 10 : 0;
    }
    return answer;
}

static void nothing(int signal) { (void)signal; }

__attribute__((constructor)) static void begin(void) {
    if (strcmp(mode(), "interrupt")) return;
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval every = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &every, NULL);
}

__attribute__((destructor)) static void end(void) {
    if (strcmp(mode(), "peak") || !getenv("SHIM_FIRED")) return;
    FILE *status = fopen("/proc/self/status", "r"), *out = fopen(getenv("SHIM_FIRED"), "w");
    char line[256];
    while (status && out && fgets(line, sizeof line, status))
        if (!strncmp(line, "VmHWM:", 6)) fprintf(out, "%ld", atol(line + 6));
    if (out) fclose(out);
}
