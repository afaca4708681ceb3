/* Counts the calls that change files below a folder, and makes one of them fail, or the last one.

   SHIM_FOLDER  only files below it count
   SHIM_AT      the call to strike, from 1; 0 to count alone
   SHIM_ERROR   the errno it gets; 0 to kill the process by SIGKILL instead, before the call
   SHIM_LOG     gets one byte a call, by a descriptor of its own
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *folder;
static long strike_at, count;
static int error, log_fd = -1, ready;

static void begin(void) {
    if (ready) return;
    ready = 1;
    folder = getenv("SHIM_FOLDER");
    const char *at = getenv("SHIM_AT"), *number = getenv("SHIM_ERROR"), *log = getenv("SHIM_LOG");
    strike_at = at ? atol(at) : 0;
    error = number ? atoi(number) : 0;
    if (log) log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* Whether this call is struck; if so errno is set, unless the process is gone. */
static int struck(const char *path) {
    begin();
    if (!folder || !path || strncmp(path, folder, strlen(folder))) return 0;
    count++;
    if (log_fd >= 0) {
        ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
        (void)!real(log_fd, ".", 1);
    }
    if (count != strike_at) return 0;
    if (!error) kill(getpid(), SIGKILL);
    errno = error;
    return 1;
}

static int struck_fd(int fd) {
    char link[64], path[PATH_MAX + 1];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, PATH_MAX);
    if (size < 0) return 0;
    path[size] = 0;
    return struck(path);
}

#define REAL(name) __typeof__(&name) real = dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    return struck_fd(fd) ? -1 : real(fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL(pwrite);
    return struck_fd(fd) ? -1 : real(fd, data, size, at);
}
ssize_t writev(int fd, const struct iovec *parts, int many) {
    REAL(writev);
    return struck_fd(fd) ? -1 : real(fd, parts, many);
}
int fsync(int fd) {
    REAL(fsync);
    return struck_fd(fd) ? -1 : real(fd);
}
int ftruncate(int fd, off_t size) {
    REAL(ftruncate);
    return struck_fd(fd) ? -1 : real(fd, size);
}
int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    return struck_fd(fd) ? -1 : real(fd, size);
}
int fchmod(int fd, mode_t mode) {
    REAL(fchmod);
    return struck_fd(fd) ? -1 : real(fd, mode);
}
int link(const char *old, const char *new) {
    REAL(link);
    return struck(new) ? -1 : real(old, new);
}
int linkat(int a, const char *old, int b, const char *new, int flags) {
    REAL(linkat);
    return struck(new) ? -1 : real(a, old, b, new, flags);
}
int rename(const char *old, const char *new) {
    REAL(rename);
    return struck(new) ? -1 : real(old, new);
}
int renameat(int a, const char *old, int b, const char *new) {
    REAL(renameat);
    return struck(new) ? -1 : real(a, old, b, new);
}
int unlink(const char *path) {
    REAL(unlink);
    return struck(path) ? -1 : real(path);
}
int unlinkat(int at, const char *path, int flags) {
    REAL(unlinkat);
    return struck(path) ? -1 : real(at, path, flags);
}

static int wants_writing(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

#define OPEN(name)                                                   \
    int name(const char *path, int flags, ...) {                     \
        REAL(name);                                                  \
        va_list rest;                                                \
        va_start(rest, flags);                                       \
        mode_t mode = va_arg(rest, mode_t);                          \
        va_end(rest);                                                \
        if (wants_writing(flags) && ready && struck(path)) return -1; \
        return real(path, flags, mode);                              \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                 \
    int name(int at, const char *path, int flags, ...) {             \
        REAL(name);                                                  \
        va_list rest;                                                \
        va_start(rest, flags);                                       \
        mode_t mode = va_arg(rest, mode_t);                          \
        va_end(rest);                                                \
        if (wants_writing(flags) && ready && struck(path)) return -1; \
        return real(at, path, flags, mode);                          \
    }
OPENAT(openat)
OPENAT(openat64)

__attribute__((constructor)) static void at_start(void) { begin(); }
