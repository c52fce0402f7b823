// Preloaded into the broker: makes the disk fail, or remembers what a power cut would undo.
//
// TICKERTAPE_FAULTS names a directory. While the file `enospc` is in it, writes to the log's files
// fail with ENOSPC; while `eio` is, syncs fail with EIO. Lines in the file `calls` count what was
// refused. With TICKERTAPE_FAULTS_RECORD=1 every write and truncation is recorded in a file of its
// target's name, with the bytes before and after, and a sync of the target empties that record:
// what is left after a kill is what never reached the disk. TICKERTAPE_FAULTS_SYNC_MS makes each
// sync slow, so that a kill hits the time between write and sync.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off_t);
static const char *directory;
static int records;
static int sync_milliseconds;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// One entry of a record; followed by `before` bytes that stood there and `after` bytes written.
// A truncation has no bytes after; `size` is the size of the file before the call.
struct entry {
    uint64_t offset, before, after, size, is_truncation;
};

__attribute__((constructor)) static void start(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    directory = getenv("TICKERTAPE_FAULTS");
    records = getenv("TICKERTAPE_FAULTS_RECORD") != NULL;
    const char *milliseconds = getenv("TICKERTAPE_FAULTS_SYNC_MS");
    sync_milliseconds = milliseconds ? atoi(milliseconds) : 0;
}

// The name of the log's file behind `fd`, or nothing when it is another file.
static const char *target(int fd, char *buffer, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = directory ? readlink(link, buffer, size - 1) : -1;
    if (length <= 0) return NULL;
    buffer[length] = 0;
    const char *name = strrchr(buffer, '/');
    if (!name) return NULL;
    name += 1;
    if (!strcmp(name, "tickertape.db") || !strcmp(name, "tickertape.db-wal")) return name;
    return NULL;
}

static int is_set(const char *flag) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, flag);
    return access(path, F_OK) == 0;
}

static int fail(const char *call, int error) {
    char path[4096];
    snprintf(path, sizeof path, "%s/calls", directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd >= 0) {
        char line[64];
        int length = snprintf(line, sizeof line, "%s\n", call);
        if (real_write(fd, line, (size_t)length) < 0) abort();
        close(fd);
    }
    errno = error;
    return -1;
}

static int open_record(const char *name, int flags) {
    char path[4096];
    snprintf(path, sizeof path, "%s/record-%s", directory, name);
    return open(path, flags | O_CLOEXEC, 0644);
}

// Must be called with the lock held, before the call it records.
static void record(int fd, const char *name, const void *bytes, size_t count, off_t offset,
                   int is_truncation) {
    struct stat status;
    if (fstat(fd, &status) != 0) abort();
    struct entry entry = {(uint64_t)offset, 0, count, (uint64_t)status.st_size,
                          (uint64_t)is_truncation};
    if (offset < status.st_size) {
        uint64_t there = (uint64_t)(status.st_size - offset);
        entry.before = is_truncation || there < count ? there : count;
    }
    size_t length = sizeof entry + entry.before + count;
    char *out = malloc(length);
    if (!out) abort();
    memcpy(out, &entry, sizeof entry);
    // The descriptor may be open for writing only: read through one of our own.
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int reader = open(path, O_RDONLY | O_CLOEXEC);
    if (reader < 0) abort();
    if (entry.before && pread(reader, out + sizeof entry, entry.before, offset) < 0) abort();
    close(reader);
    if (count) memcpy(out + sizeof entry + entry.before, bytes, count);
    int record = open_record(name, O_WRONLY | O_CREAT | O_APPEND);
    if (record < 0 || real_write(record, out, length) != (ssize_t)length) abort();
    close(record);
    free(out);
}

static ssize_t do_pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    char buffer[4096];
    const char *name = target(fd, buffer, sizeof buffer);
    if (!name) return real_pwrite(fd, bytes, count, offset);
    if (is_set("enospc")) return fail("pwrite", ENOSPC);
    if (!records) return real_pwrite(fd, bytes, count, offset);
    pthread_mutex_lock(&lock);
    record(fd, name, bytes, count, offset, 0);
    ssize_t written = real_pwrite(fd, bytes, count, offset);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    return do_pwrite(fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) {
    return do_pwrite(fd, bytes, count, offset);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    char buffer[4096];
    const char *name = target(fd, buffer, sizeof buffer);
    if (!name) return real_write(fd, bytes, count);
    if (is_set("enospc")) return fail("write", ENOSPC);
    if (!records) return real_write(fd, bytes, count);
    pthread_mutex_lock(&lock);
    record(fd, name, bytes, count, lseek(fd, 0, SEEK_CUR), 0);
    ssize_t written = real_write(fd, bytes, count);
    pthread_mutex_unlock(&lock);
    return written;
}

static int do_ftruncate(int fd, off_t length) {
    char buffer[4096];
    const char *name = target(fd, buffer, sizeof buffer);
    if (!name || !records) return real_ftruncate(fd, length);
    pthread_mutex_lock(&lock);
    record(fd, name, NULL, 0, length, 1);
    int result = real_ftruncate(fd, length);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int fd, off_t length) { return do_ftruncate(fd, length); }
int ftruncate64(int fd, off_t length) { return do_ftruncate(fd, length); }

static int do_sync(int fd, const char *call, int (*real)(int)) {
    char buffer[4096];
    const char *name = target(fd, buffer, sizeof buffer);
    if (!name) return real(fd);
    if (is_set("eio")) return fail(call, EIO);
    if (sync_milliseconds) usleep((useconds_t)sync_milliseconds * 1000);
    if (!records) return real(fd);
    pthread_mutex_lock(&lock);
    int result = real(fd);
    int record = result == 0 ? open_record(name, O_WRONLY | O_CREAT | O_TRUNC) : -1;
    if (record >= 0) close(record);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd) { return do_sync(fd, "fsync", real_fsync); }
int fdatasync(int fd) { return do_sync(fd, "fdatasync", real_fdatasync); }
