/* Counts the calls that change files below a folder (or read them), and strikes one of them.

   shim_arm(folder, at, error, mode, log) begins to count:

   folder  the folder itself and what lies below it counts
   at      the call to strike, from 1; 0 to count alone
   error   the errno that it gets; 0 to kill the process by SIGKILL instead, before the call
   mode    SHORT: a write writes half of what it was given, and says so; anything else is let through
           STAYS: every later call fails as well
           REMOVABLE: with STAYS, but files may still be removed, as on a full disk
           READS: calls that read are counted and struck, and no others
   log     a descriptor that gets the name of each call, a line each; -1 for none
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
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SHORT = 1, STAYS = 2, REMOVABLE = 4, READS = 8 };

static char folder[PATH_MAX];
static size_t folder_nbytes;
static long strike_at, count;
static int error, mode, log_fd = -1;

void shim_arm(const char *where, long at, int number, int how, int log) {
    snprintf(folder, sizeof folder, "%s", where);
    folder_nbytes = strlen(folder);
    strike_at = at;
    error = number;
    mode = how;
    log_fd = log;
    count = 0;
}

static int below(const char *path) {
    return folder_nbytes && path && !strncmp(path, folder, folder_nbytes) &&
           (path[folder_nbytes] == '/' || !path[folder_nbytes]);
}

/* Whether this call is struck; if so errno is set, unless the process is gone. */
static int struck_by(const char *path, const char *call, int reads, int removes) {
    if (!below(path) || reads != !!(mode & READS)) return 0;
    count++;
    if (log_fd >= 0) {
        ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
        char line[64];
        int size = snprintf(line, sizeof line, "%s\n", call);
        (void)!real(log_fd, line, size);
    }
    int later = (mode & STAYS) && strike_at && count > strike_at && !(removes && mode & REMOVABLE);
    if (count != strike_at && !later) return 0;
    if (mode & SHORT) return 1;
    if (!error) kill(getpid(), SIGKILL);
    errno = error;
    return 1;
}

static int struck(const char *path, const char *call) { return struck_by(path, call, 0, 0); }

/* The path behind a descriptor; "" where there is none. A file that lost its name has " (deleted)". */
static const char *path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = folder_nbytes ? readlink(link, path, PATH_MAX) : -1;
    path[size < 0 ? 0 : size] = 0;
    return path;
}

static int struck_fd(int fd, const char *call, int reads) {
    char path[PATH_MAX + 1];
    return struck_by(path_of(fd, path), call, reads, 0);
}

#define REAL(name) __typeof__(&name) real = dlsym(RTLD_NEXT, #name)
#define STRUCK(what) (what && !(mode & SHORT))

/* A struck write fails, or writes half. */
#define WRITING(call, whole, half)                            \
    if (struck_fd(fd, call, 0)) return mode & SHORT ? half : -1; \
    return whole;

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    WRITING("write", real(fd, data, size), real(fd, data, (size + 1) / 2))
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL(pwrite);
    WRITING("pwrite", real(fd, data, size, at), real(fd, data, (size + 1) / 2, at))
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    REAL(pwrite64);
    WRITING("pwrite", real(fd, data, size, at), real(fd, data, (size + 1) / 2, at))
}
ssize_t writev(int fd, const struct iovec *parts, int many) {
    REAL(writev);
    WRITING("writev", real(fd, parts, many), real(fd, parts, (many + 1) / 2))
}
ssize_t pwritev(int fd, const struct iovec *parts, int many, off_t at) {
    REAL(pwritev);
    WRITING("pwritev", real(fd, parts, many, at), real(fd, parts, (many + 1) / 2, at))
}
ssize_t copy_file_range(int in, off64_t *from, int fd, off64_t *at, size_t size, unsigned flags) {
    REAL(copy_file_range);
    WRITING("copy_file_range", real(in, from, fd, at, size, flags),
            real(in, from, fd, at, (size + 1) / 2, flags))
}
ssize_t sendfile(int fd, int in, off_t *from, size_t size) {
    REAL(sendfile);
    WRITING("sendfile", real(fd, in, from, size), real(fd, in, from, (size + 1) / 2))
}

#define ON_FD(result, name, parameters, arguments)                       \
    result name parameters {                                             \
        REAL(name);                                                      \
        return STRUCK(struck_fd(fd, #name, 0)) ? -1 : real arguments;     \
    }
ON_FD(int, fsync, (int fd), (fd))
ON_FD(int, fdatasync, (int fd), (fd))
ON_FD(int, ftruncate, (int fd, off_t size), (fd, size))
ON_FD(int, ftruncate64, (int fd, off64_t size), (fd, size))
ON_FD(int, fchmod, (int fd, mode_t how), (fd, how))
ON_FD(int, fchown, (int fd, uid_t user, gid_t group), (fd, user, group))
ON_FD(int, futimens, (int fd, const struct timespec times[2]), (fd, times))
ON_FD(int, fallocate, (int fd, int how, off_t at, off_t size), (fd, how, at, size))

/* Linux closes the descriptor whatever it answers. */
int close(int fd) {
    REAL(close);
    int flags = folder_nbytes ? fcntl(fd, F_GETFL) : -1;
    int hit = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && STRUCK(struck_fd(fd, "close", 0));
    int kept = errno, answer = real(fd);
    if (!hit) return answer;
    errno = kept;
    return -1;
}

#define ON_PATH(name, path, parameters, arguments)                     \
    int name parameters {                                              \
        REAL(name);                                                    \
        return STRUCK(struck(path, #name)) ? -1 : real arguments;       \
    }
ON_PATH(link, new, (const char *old, const char *new), (old, new))
ON_PATH(linkat, new, (int a, const char *old, int b, const char *new, int flags),
        (a, old, b, new, flags))
ON_PATH(symlink, new, (const char *old, const char *new), (old, new))
ON_PATH(rename, new, (const char *old, const char *new), (old, new))
ON_PATH(renameat, new, (int a, const char *old, int b, const char *new), (a, old, b, new))
ON_PATH(renameat2, new, (int a, const char *old, int b, const char *new, unsigned flags),
        (a, old, b, new, flags))
ON_PATH(mkdir, path, (const char *path, mode_t how), (path, how))
ON_PATH(mkdirat, path, (int at, const char *path, mode_t how), (at, path, how))
ON_PATH(chmod, path, (const char *path, mode_t how), (path, how))
ON_PATH(truncate, path, (const char *path, off_t size), (path, size))
ON_PATH(utimensat, path, (int at, const char *path, const struct timespec times[2], int flags),
        (at, path, times, flags))

#define REMOVING(name, parameters, arguments)                                    \
    int name parameters {                                                        \
        REAL(name);                                                              \
        return STRUCK(struck_by(path, #name, 0, 1)) ? -1 : real arguments;        \
    }
REMOVING(unlink, (const char *path), (path))
REMOVING(unlinkat, (int at, const char *path, int flags), (at, path, flags))
REMOVING(rmdir, (const char *path), (path))

#define READING(name, parameters, arguments)                             \
    ssize_t name parameters {                                            \
        REAL(name);                                                      \
        return STRUCK(struck_fd(fd, #name, 1)) ? -1 : real arguments;     \
    }
READING(read, (int fd, void *data, size_t size), (fd, data, size))
READING(pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at))
READING(pread64, (int fd, void *data, size_t size, off64_t at), (fd, data, size, at))
READING(preadv, (int fd, const struct iovec *parts, int many, off_t at), (fd, parts, many, at))
READING(preadv64, (int fd, const struct iovec *parts, int many, off64_t at), (fd, parts, many, at))

static int wants_writing(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

#define OPEN(name, before, at)                                                   \
    int name(before const char *path, int flags, ...) {                          \
        REAL(name);                                                              \
        va_list rest;                                                            \
        va_start(rest, flags);                                                   \
        mode_t how = va_arg(rest, mode_t);                                       \
        va_end(rest);                                                            \
        if (wants_writing(flags) && STRUCK(struck(path, "open"))) return -1;      \
        return real(at path, flags, how);                                        \
    }
#define NOTHING
#define AT_PARAMETER int at,
#define AT_ARGUMENT at,
OPEN(open, NOTHING, NOTHING)
OPEN(open64, NOTHING, NOTHING)
OPEN(openat, AT_PARAMETER, AT_ARGUMENT)
OPEN(openat64, AT_PARAMETER, AT_ARGUMENT)
