/*
 * Stands between a program and the C library, and notes, refuses, cuts short or ends in what it asks of
 * the file system below some folders. Built and preloaded by interposer.py, which also knows `struct control`.
 *
 * One lock for all processes of a test keeps the log in the order in which things happened.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define NEXT(name) ({ static __typeof__(name) *found; if (!found) found = dlsym(RTLD_NEXT, #name); found; })

enum call { OPEN, CREATE, TRUNCATE, WRITE, SYNC, CLOSE, REPLACE, LINK, REMOVE, MKDIR, RMDIR, CHMOD, UTIMES,
            READ, STAT, LIST, SPACE };
enum action { NOTHING, FAIL, CUT_SHORT, KILL, KILL_HALFWAY, SHIFT_CLOCK };

struct control {
    pthread_mutex_t lock;
    char padding[128 - sizeof(pthread_mutex_t)];
    int64_t clock_offset_ns;
    int64_t shift_ns;
    int64_t generation; /* raised with every new fault, so that the pattern is compiled again */
    int32_t is_ready;
    int32_t is_recording;
    int32_t call; /* -1: any */
    int32_t action;
    int32_t error;
    int32_t skip;
    int32_t times; /* -1: from then on */
    int32_t struck;
    int32_t is_syncing; /* whether disks are really waited for */
    int32_t padding_too;
    char pattern[1024];
    char ignored[256];
    char roots[4][1024];
    char log[1024];
};

struct entry { /* one line of the log; behind it come path, target and data */
    uint32_t call, pid;
    uint64_t inode, offset;
    uint32_t n_path, n_target, n_data, padding;
};

struct step {
    enum action action;
    int is_locked;
    char path[PATH_MAX];
};

static struct control *control;
static int log_file = -1;
static regex_t pattern, ignored;
static int64_t compiled = -1;

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("MELWATCH_TEST_FAULTS");
    if (control || !name)
        return;
    int file = NEXT(open)(name, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return;
    struct control *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    NEXT(close)(file);
    if (shared == MAP_FAILED)
        abort();
    if (!shared->is_ready) { /* the first process, which starts all others */
        pthread_mutexattr_t kind;
        pthread_mutexattr_init(&kind);
        pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&shared->lock, &kind);
        shared->is_ready = 1;
    }
    if (regcomp(&ignored, shared->ignored, REG_EXTENDED | REG_NOSUB))
        abort();
    control = shared;
}

static void lock(void)
{
    if (pthread_mutex_lock(&control->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&control->lock);
}

static int is_ours(const char *path)
{
    if (!control)
        return 0;
    for (int i = 0; i < 4 && control->roots[i][0]; i++) {
        size_t n = strlen(control->roots[i]);
        if (strncmp(path, control->roots[i], n) == 0 && (path[n] == 0 || path[n] == '/'))
            return regexec(&ignored, path, 0, NULL, 0) != 0;
    }
    return 0;
}

static void path_of(int file, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    path[n < 0 ? 0 : n] = 0;
    char *end = n < 0 ? NULL : strstr(path, " (deleted)");
    if (end)
        *end = 0;
}

static void path_at(int folder, const char *name, char *path)
{
    char parent[PATH_MAX] = "";
    if (name[0] != '/') {
        if (folder == AT_FDCWD) {
            if (!getcwd(parent, sizeof parent))
                parent[0] = 0;
        } else
            path_of(folder, parent);
    }
    if (!name[0])
        snprintf(path, PATH_MAX, "%s", parent);
    else if (name[0] == '/')
        snprintf(path, PATH_MAX, "%s", name);
    else if ((size_t)snprintf(path, PATH_MAX, "%s/%s", parent, name) >= PATH_MAX)
        path[0] = 0;
}

/* Whether the fault that is set strikes here; the lock is held. */
static enum action verdict(enum call call, const char *path, const char *target)
{
    if (control->action == NOTHING || (control->call >= 0 && control->call != (int)call))
        return NOTHING;
    if (compiled != control->generation) {
        if (compiled >= 0)
            regfree(&pattern);
        if (regcomp(&pattern, control->pattern, REG_EXTENDED | REG_NOSUB))
            abort();
        compiled = control->generation;
    }
    if (regexec(&pattern, path, 0, NULL, 0) && (!target || regexec(&pattern, target, 0, NULL, 0)))
        return NOTHING;
    if (control->skip > 0) {
        control->skip--;
        return NOTHING;
    }
    if (control->times >= 0 && control->struck >= control->times)
        return NOTHING;
    control->struck++;
    if (control->action == KILL)
        kill(0, SIGKILL);
    if (control->action == SHIFT_CLOCK) {
        control->clock_offset_ns += control->shift_ns;
        return NOTHING;
    }
    if (control->action == FAIL)
        errno = control->error;
    return control->action;
}

static void note(enum call call, const char *path, const char *target, uint64_t inode, uint64_t offset,
                 const void *data, size_t n_data)
{
    if (log_file < 0)
        log_file = NEXT(open)(control->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    struct entry entry = { call, getpid(), inode, offset, strlen(path), target ? strlen(target) : 0, n_data, 0 };
    struct iovec parts[] = { { &entry, sizeof entry }, { (void *)path, entry.n_path },
                             { (void *)target, entry.n_target }, { (void *)data, n_data } };
    if (NEXT(writev)(log_file, parts, 4) != (ssize_t)(sizeof entry + entry.n_path + entry.n_target + n_data))
        abort();
}

/* Whether anybody wants to know of a kind of call that changes nothing: there are many of them. */
static int is_watched(enum call call)
{
    return control && (control->is_recording > 1 || (control->action && control->call == (int)call));
}

/* Begin something that changes nothing: the lock is held only while it is judged. Tells whether it fails. */
static int fails(enum call call, const char *path)
{
    if (!is_watched(call) || !is_ours(path))
        return 0;
    int before = errno;
    lock();
    int is_failing = verdict(call, path, NULL) == FAIL;
    if (control->is_recording > 1)
        note(call, path, NULL, 0, 0, NULL, 0);
    pthread_mutex_unlock(&control->lock);
    if (!is_failing)
        errno = before;
    return is_failing;
}

/* Begin something that changes the disk; the lock is held until `finish`, unless it is not below our folders. */
static enum action start(struct step *step, enum call call, const char *target)
{
    step->is_locked = is_ours(step->path) || (target && is_ours(target));
    step->action = NOTHING;
    if (!step->is_locked)
        return NOTHING;
    lock();
    return step->action = verdict(call, step->path, target);
}

static void done(struct step *step, enum call call, const char *target, uint64_t inode, uint64_t offset,
                 const void *data, size_t n_data)
{
    if (step->is_locked && control->is_recording)
        note(call, step->path, target, inode, offset, data, n_data);
}

static void finish(struct step *step)
{
    int error = errno;
    if (step->is_locked) {
        if (step->action == KILL_HALFWAY)
            kill(0, SIGKILL);
        pthread_mutex_unlock(&control->lock);
    }
    errno = error;
}

static uint64_t inode_of(int file)
{
    struct stat facts;
    return NEXT(fstat)(file, &facts) ? 0 : facts.st_ino;
}

/* -- opening and closing -- */

static int open_at(int folder, const char *name, int flags, mode_t mode)
{
    struct step step;
    path_at(folder, name, step.path);
    int is_new = 0, is_write = (flags & (O_CREAT | O_TRUNC)) != 0 && (flags & O_TMPFILE) != O_TMPFILE;
    if (!control || !is_write) {
        if (fails(OPEN, step.path))
            return -1;
        return NEXT(openat)(folder, name, flags, mode);
    }
    if (is_ours(step.path))
        is_new = NEXT(faccessat)(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
    enum call call = is_new ? CREATE : (flags & O_TRUNC) ? TRUNCATE : OPEN;
    if (start(&step, call, NULL) == FAIL) {
        finish(&step);
        return -1;
    }
    int file = NEXT(openat)(folder, name, flags, mode);
    if (file >= 0 && call != OPEN)
        done(&step, call, NULL, inode_of(file), 0, NULL, 0);
    finish(&step);
    return file;
}

#define MODE mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); \
    mode = va_arg(rest, mode_t); va_end(rest); }
EXPORT int open(const char *name, int flags, ...) { MODE return open_at(AT_FDCWD, name, flags, mode); }
EXPORT int open64(const char *name, int flags, ...) { MODE return open_at(AT_FDCWD, name, flags, mode); }
EXPORT int openat(int folder, const char *name, int flags, ...) { MODE return open_at(folder, name, flags, mode); }
EXPORT int openat64(int folder, const char *name, int flags, ...) { MODE return open_at(folder, name, flags, mode); }
EXPORT int __open_2(const char *name, int flags) { return open_at(AT_FDCWD, name, flags, 0); }
EXPORT int __open64_2(const char *name, int flags) { return open_at(AT_FDCWD, name, flags, 0); }
EXPORT int __openat_2(int folder, const char *name, int flags) { return open_at(folder, name, flags, 0); }
EXPORT int __openat64_2(int folder, const char *name, int flags) { return open_at(folder, name, flags, 0); }

EXPORT int close(int file)
{
    char path[PATH_MAX];
    int is_written = is_watched(CLOSE) && (fcntl(file, F_GETFL) & O_ACCMODE) > 0;
    if (is_written)
        path_of(file, path);
    int result = NEXT(close)(file);
    return is_written && result == 0 && fails(CLOSE, path) ? -1 : result;
}

/* -- what changes a file -- */

static ssize_t put(int file, const void *data, size_t size, int64_t at)
{
    struct step step = { NOTHING, 0, "" };
    if (control)
        path_of(file, step.path);
    enum action action = start(&step, WRITE, NULL);
    if (action == FAIL) {
        finish(&step);
        return -1;
    }
    if (size > 1 && (action == CUT_SHORT || action == KILL_HALFWAY))
        size /= 2;
    int64_t offset = at;
    ssize_t n = at < 0 ? NEXT(write)(file, data, size) : NEXT(pwrite)(file, data, size, at);
    if (step.is_locked && n > 0) {
        if (at < 0)
            offset = lseek(file, 0, SEEK_CUR) - n;
        done(&step, WRITE, NULL, inode_of(file), offset, data, n);
    }
    finish(&step);
    return n;
}

EXPORT ssize_t write(int file, const void *data, size_t size) { return put(file, data, size, -1); }
EXPORT ssize_t pwrite(int file, const void *data, size_t size, off_t at) { return put(file, data, size, at); }
EXPORT ssize_t pwrite64(int file, const void *data, size_t size, off_t at) { return put(file, data, size, at); }

/* Copies inside the system would pass unseen; whoever asks for one then reads and writes. */
static int is_hidden_copy(int to)
{
    char path[PATH_MAX] = "";
    if (control)
        path_of(to, path);
    return is_ours(path);
}

EXPORT ssize_t writev(int file, const struct iovec *parts, int count)
{
    if (!is_hidden_copy(file))
        return NEXT(writev)(file, parts, count);
    return count ? put(file, parts[0].iov_base, parts[0].iov_len, -1) : 0;
}

EXPORT ssize_t sendfile(int to, int from, off_t *at, size_t size)
{
    if (is_hidden_copy(to)) {
        errno = ENOSYS;
        return -1;
    }
    return NEXT(sendfile)(to, from, at, size);
}
EXPORT ssize_t sendfile64(int to, int from, off_t *at, size_t size) { return sendfile(to, from, at, size); }

EXPORT ssize_t copy_file_range(int from, off_t *at, int to, off_t *to_at, size_t size, unsigned flags)
{
    if (is_hidden_copy(to)) {
        errno = ENOSYS;
        return -1;
    }
    return NEXT(copy_file_range)(from, at, to, to_at, size, flags);
}

static int set_size(int file, off_t size)
{
    struct step step = { NOTHING, 0, "" };
    if (control)
        path_of(file, step.path);
    int result = start(&step, TRUNCATE, NULL) == FAIL ? -1 : NEXT(ftruncate)(file, size);
    if (result == 0 && step.is_locked)
        done(&step, TRUNCATE, NULL, inode_of(file), size, NULL, 0);
    finish(&step);
    return result;
}
EXPORT int ftruncate(int file, off_t size) { return set_size(file, size); }
EXPORT int ftruncate64(int file, off_t size) { return set_size(file, size); }

static int synced(int file, int is_data_only)
{
    struct step step = { NOTHING, 0, "" };
    if (control)
        path_of(file, step.path);
    int result = start(&step, SYNC, NULL) == FAIL ? -1 : 0;
    if (result == 0 && !(step.is_locked && !control->is_syncing))
        result = is_data_only ? NEXT(fdatasync)(file) : NEXT(fsync)(file);
    if (result == 0 && step.is_locked)
        done(&step, SYNC, NULL, inode_of(file), 0, NULL, 0);
    finish(&step);
    return result;
}
EXPORT int fsync(int file) { return synced(file, 0); }
EXPORT int fdatasync(int file) { return synced(file, 1); }

/* -- what changes a folder -- */

static int changes_name(enum call call, int folder, const char *name, int at, const char *to, unsigned flags)
{
    struct step step;
    char target[PATH_MAX] = "";
    path_at(folder, name, step.path);
    if (to)
        path_at(at, to, target);
    int result = -1;
    if (start(&step, call, to ? target : NULL) != FAIL) {
        switch (call) {
        case REPLACE: result = NEXT(renameat2)(folder, name, at, to, flags); break;
        case LINK: result = NEXT(linkat)(folder, name, at, to, flags); break;
        case MKDIR: result = NEXT(mkdirat)(folder, name, flags); break;
        case CHMOD: result = NEXT(fchmodat)(folder, name, flags, 0); break;
        default: result = NEXT(unlinkat)(folder, name, flags); break;
        }
        if (result == 0)
            done(&step, call, to ? target : NULL, 0, 0, NULL, 0);
    }
    finish(&step);
    return result;
}

EXPORT int rename(const char *a, const char *b) { return changes_name(REPLACE, AT_FDCWD, a, AT_FDCWD, b, 0); }
EXPORT int renameat(int f, const char *a, int g, const char *b) { return changes_name(REPLACE, f, a, g, b, 0); }
EXPORT int renameat2(int f, const char *a, int g, const char *b, unsigned flags)
{
    return changes_name(REPLACE, f, a, g, b, flags);
}
EXPORT int link(const char *a, const char *b) { return changes_name(LINK, AT_FDCWD, a, AT_FDCWD, b, 0); }
EXPORT int linkat(int f, const char *a, int g, const char *b, int flags) { return changes_name(LINK, f, a, g, b, flags); }
EXPORT int unlink(const char *a) { return changes_name(REMOVE, AT_FDCWD, a, 0, NULL, 0); }
EXPORT int remove(const char *a) { return changes_name(REMOVE, AT_FDCWD, a, 0, NULL, 0); }
EXPORT int rmdir(const char *a) { return changes_name(RMDIR, AT_FDCWD, a, 0, NULL, AT_REMOVEDIR); }
EXPORT int unlinkat(int f, const char *a, int flags)
{
    return changes_name(flags & AT_REMOVEDIR ? RMDIR : REMOVE, f, a, 0, NULL, flags);
}
EXPORT int mkdir(const char *a, mode_t mode) { return changes_name(MKDIR, AT_FDCWD, a, 0, NULL, mode); }
EXPORT int mkdirat(int f, const char *a, mode_t mode) { return changes_name(MKDIR, f, a, 0, NULL, mode); }
EXPORT int chmod(const char *a, mode_t mode) { return changes_name(CHMOD, AT_FDCWD, a, 0, NULL, mode); }

/* -- what only looks -- */

EXPORT ssize_t read(int file, void *into, size_t size)
{
    char path[PATH_MAX];
    if (is_watched(READ)) {
        path_of(file, path);
        if (fails(READ, path))
            return -1;
    }
    return NEXT(read)(file, into, size);
}

static ssize_t read_at(int file, void *into, size_t size, off_t at)
{
    char path[PATH_MAX];
    if (is_watched(READ)) {
        path_of(file, path);
        if (fails(READ, path))
            return -1;
    }
    return NEXT(pread)(file, into, size, at);
}
EXPORT ssize_t pread(int file, void *into, size_t size, off_t at) { return read_at(file, into, size, at); }
EXPORT ssize_t pread64(int file, void *into, size_t size, off_t at) { return read_at(file, into, size, at); }

static int look_fails(int folder, const char *name)
{
    char path[PATH_MAX];
    if (!is_watched(STAT))
        return 0;
    path_at(folder, name, path);
    return fails(STAT, path);
}

#define LOOKS(name, params, args, folder, path) \
    EXPORT int name params { return look_fails(folder, path) ? -1 : NEXT(name) args; }
LOOKS(stat, (const char *a, struct stat *f), (a, f), AT_FDCWD, a)
LOOKS(stat64, (const char *a, struct stat64 *f), (a, f), AT_FDCWD, a)
LOOKS(lstat, (const char *a, struct stat *f), (a, f), AT_FDCWD, a)
LOOKS(lstat64, (const char *a, struct stat64 *f), (a, f), AT_FDCWD, a)
LOOKS(fstat, (int h, struct stat *f), (h, f), h, "")
LOOKS(fstat64, (int h, struct stat64 *f), (h, f), h, "")
LOOKS(fstatat, (int d, const char *a, struct stat *f, int flags), (d, a, f, flags), d, a)
LOOKS(fstatat64, (int d, const char *a, struct stat64 *f, int flags), (d, a, f, flags), d, a)
LOOKS(access, (const char *a, int mode), (a, mode), AT_FDCWD, a)
LOOKS(faccessat, (int d, const char *a, int mode, int flags), (d, a, mode, flags), d, a)

static int space_fails(int folder, const char *name)
{
    char path[PATH_MAX];
    if (!is_watched(SPACE))
        return 0;
    path_at(folder, name, path);
    return fails(SPACE, path);
}
EXPORT int statvfs(const char *a, struct statvfs *f) { return space_fails(AT_FDCWD, a) ? -1 : NEXT(statvfs)(a, f); }
EXPORT int statvfs64(const char *a, struct statvfs64 *f) { return space_fails(AT_FDCWD, a) ? -1 : NEXT(statvfs64)(a, f); }
EXPORT int fstatvfs(int h, struct statvfs *f) { return space_fails(h, "") ? -1 : NEXT(fstatvfs)(h, f); }
EXPORT int fstatvfs64(int h, struct statvfs64 *f) { return space_fails(h, "") ? -1 : NEXT(fstatvfs64)(h, f); }

EXPORT DIR *opendir(const char *name)
{
    char path[PATH_MAX];
    path_at(AT_FDCWD, name, path);
    return fails(OPEN, path) ? NULL : NEXT(opendir)(name);
}

static int listing_fails(DIR *folder)
{
    char path[PATH_MAX];
    if (!is_watched(LIST))
        return 0;
    path_of(dirfd(folder), path);
    return fails(LIST, path);
}
EXPORT struct dirent *readdir(DIR *folder) { return listing_fails(folder) ? NULL : NEXT(readdir)(folder); }
EXPORT struct dirent64 *readdir64(DIR *folder) { return listing_fails(folder) ? NULL : NEXT(readdir64)(folder); }

/* -- the clock on the wall -- */

EXPORT int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = NEXT(clock_gettime)(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME && control && control->clock_offset_ns) {
        int64_t moved_ns = now->tv_sec * 1000000000LL + now->tv_nsec + control->clock_offset_ns;
        now->tv_sec = moved_ns / 1000000000LL;
        now->tv_nsec = moved_ns % 1000000000LL;
    }
    return result;
}

EXPORT int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    struct timespec exact;
    int result = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return result;
}

EXPORT time_t time(time_t *into)
{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (into)
        *into = exact.tv_sec;
    return exact.tv_sec;
}
