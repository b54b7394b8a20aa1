/* cluster: as unsynced.c, for the many processes of a PostgreSQL: one writes a page, another syncs it.
 *
 *   UNSYNCED_DATA=/…/data UNSYNCED_STORE=/…/store LD_PRELOAD=/…/cluster.so postgres …
 *
 * Each file below UNSYNCED_DATA that is opened for writing has a copy in STORE/held, which moves forward only when the
 * file is synced, and a page of shared memory, STORE/dirty, in which every process marks the blocks that it has
 * written. Who syncs brings the marked blocks of all processes into the copy, before the sync returns. After the kill,
 * cluster-restore puts the copies in the files' places: that is what a disk would have held. STORE is empty at first.
 *
 * Modelled as in unsynced.c: names are on the disk at once, contents and lengths only with the sync. Not modelled: torn
 * blocks, files above 1 GiB (PostgreSQL has none), stdio (PostgreSQL uses it for caches that it makes anew, not for
 * what it promises). sync_file_range is a hint and syncs nothing. Only a program named `postgres` is watched.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define BLOCK 8192
#define BLOCKS_MAX ((1 << 30) / BLOCK)
#define FILES_MAX 8192      /* a power of two, well above what a process opens in its life */

/* What all processes know of a file. */
struct shared {
    atomic_int locked;
    atomic_int dead;        /* unlinked: whoever has the inode's number now is another file */
    atomic_llong shortest;  /* the least length since the last sync */
    char path[PATH_MAX];    /* below the data folder; changes with a rename */
    _Atomic unsigned char dirty[BLOCKS_MAX];
};
struct file {
    dev_t device;
    ino_t inode;
    struct shared *shared;
};

static struct file files[FILES_MAX];
static char data[PATH_MAX], store[PATH_MAX];
static size_t data_length;
static bool ready;

static int (*libc_openat)(int, const char *, int, ...);
static ssize_t (*libc_write)(int, const void *, size_t);
static ssize_t (*libc_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*libc_writev)(int, const struct iovec *, int);
static ssize_t (*libc_pwritev)(int, const struct iovec *, int, off_t);
static int (*libc_ftruncate)(int, off_t);
static int (*libc_fsync)(int);
static int (*libc_fdatasync)(int);
static int (*libc_rename)(const char *, const char *);
static int (*libc_link)(const char *, const char *);
static int (*libc_unlink)(const char *);

static void die(const char *what) {
    dprintf(2, "cluster: %s: %s\n", what, strerror(errno));
    _exit(70);  /* a layer that cannot keep its promise must not look like a passed test */
}

__attribute__((constructor)) static void start(void) {
    if (ready) return;
#define FIND(name) libc_##name = dlsym(RTLD_NEXT, #name)
    FIND(openat), FIND(write), FIND(pwrite), FIND(writev), FIND(pwritev), FIND(ftruncate), FIND(fsync), FIND(fdatasync);
    FIND(rename), FIND(link), FIND(unlink);
#undef FIND
    ready = true;
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0) return;
    program[length] = 0;
    const char *name = strrchr(program, '/'), *folder = getenv("UNSYNCED_DATA"), *place = getenv("UNSYNCED_STORE");
    if (!name || strcmp(name, "/postgres") || !folder || !place) return;
    if (!realpath(folder, data) || !realpath(place, store)) die("UNSYNCED_DATA, UNSYNCED_STORE");
    data_length = strlen(data);
}

/* Names ---------------------------------------------------------------------------------------------------------- */

/* The path below the data folder, without its slash; NULL for what is not watched. */
static const char *below(const char *path) {
    return data_length && !strncmp(path, data, data_length) && path[data_length] == '/' ? path + data_length + 1 : NULL;
}

static const char *name_of(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return NULL;
    path[length] = 0;
    const char *gone = " (deleted)";
    size_t end = strlen(gone);
    if ((size_t)length > end && !strcmp(path + length - end, gone)) return NULL;
    return below(path);
}

/* Of a name that the last part of need not exist. */
static const char *name_at(const char *name, char *path) {
    char parent[PATH_MAX], real[PATH_MAX];
    if (!data_length || snprintf(parent, sizeof parent, "%s", name) >= PATH_MAX) return NULL;
    char *slash = strrchr(parent, '/');
    const char *last = slash ? slash + 1 : parent;
    if (slash) *slash = 0;
    if (!realpath(slash ? (*parent ? parent : "/") : ".", real)) return NULL;
    if (snprintf(path, PATH_MAX, "%s/%s", real, last) >= PATH_MAX) return NULL;
    return below(path);
}

static void stored(const char *kind, const char *name, char *path) {
    if (snprintf(path, PATH_MAX, "%s/%s/%s", store, kind, name) >= PATH_MAX) die("a path is too long");
}

static void make_folders(char *path) {
    for (char *slash = path + strlen(store) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        if (mkdir(path, 0777) && errno != EEXIST) die(path);
        *slash = '/';
    }
}

/* Files ---------------------------------------------------------------------------------------------------------- */

static void lock(struct shared *shared) {
    while (atomic_exchange(&shared->locked, 1)) usleep(50);
}
static void unlock(struct shared *shared) { atomic_store(&shared->locked, 0); }

static void copy(int from, int to, off_t at, off_t end) {
    char buffer[BLOCK];
    while (at < end) {
        ssize_t got = pread(from, buffer, end - at < BLOCK ? (size_t)(end - at) : BLOCK, at);
        if (got < 0) die("reading a file");
        if (!got) return;
        for (ssize_t done = 0; done < got;) {
            ssize_t put = libc_pwrite(to, buffer + done, (size_t)(got - done), at + done);
            if (put < 0) die("writing a copy");
            done += put;
        }
        at += got;
    }
}

static struct shared *map_dirty(const char *name, bool create) {
    char path[PATH_MAX];
    stored("dirty", name, path);
    int descriptor = libc_openat(AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0 && create) {
        make_folders(path);
        descriptor = libc_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    }
    if (descriptor < 0) return NULL;
    struct stat status;
    if (fstat(descriptor, &status)) die(path);
    if (!status.st_size && libc_ftruncate(descriptor, sizeof(struct shared))) die(path);
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (shared == MAP_FAILED) die("mapping a page of marks");
    close(descriptor);
    return shared;
}

/* The copy of a file as it is when first opened for writing: what it holds then counts as synced. */
static void hold(const char *name, int real, off_t size) {
    char path[PATH_MAX], part[PATH_MAX];
    stored("held", name, path);
    if (!access(path, F_OK)) return;
    make_folders(path);
    if (snprintf(part, sizeof part, "%s/part.%d", store, getpid()) >= PATH_MAX) die("a path is too long");
    int to = libc_openat(AT_FDCWD, part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (to < 0) die(part);
    copy(real, to, 0, size);
    close(to);
    if (libc_link(part, path) && errno != EEXIST) die(path);  /* another process may have been first */
    libc_unlink(part);
}

static struct file *slot(const struct stat *status) {
    for (size_t i = status->st_ino * 2654435761u % FILES_MAX, n = 0; n < FILES_MAX; n++, i = (i + 1) % FILES_MAX) {
        struct file *file = &files[i];
        if (!file->shared || (file->inode == status->st_ino && file->device == status->st_dev)) return file;
    }
    errno = ENFILE;
    die("too many files");
    return NULL;
}

/* What is known of the file behind a descriptor, if it is watched. `begin`: it is about to be written. */
static struct shared *watched(int descriptor, bool begin) {
    if (!data_length) return NULL;
    int before = errno;
    struct stat status;
    struct shared *found = NULL;
    if (!fstat(descriptor, &status) && S_ISREG(status.st_mode)) {
        struct file *file = slot(&status);
        if (file->shared && !atomic_load(&file->shared->dead)) {
            found = file->shared;
        } else {
            char path[PATH_MAX], copied[PATH_MAX], link[64];
            const char *name = name_of(descriptor, path);
            stored("held", name ? name : "", copied);
            if (name && (begin || !access(copied, F_OK))) {
                snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
                int real = libc_openat(AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
                if (real < 0) die(path);
                hold(name, real, status.st_size);
                close(real);
                if (file->shared) munmap(file->shared, sizeof *file->shared);
                found = map_dirty(name, true);
                if (!found) die("a page of marks");
                if (!found->path[0]) {
                    atomic_store(&found->shortest, LLONG_MAX);
                    snprintf(found->path, sizeof found->path, "%s", name);
                }
                *file = (struct file){status.st_dev, status.st_ino, found};
            }
        }
    }
    errno = before;
    return found;
}

static void advance(int descriptor, struct shared *shared) {
    char path[PATH_MAX], link[64];
    struct stat status, held;
    lock(shared);
    stored("held", shared->path, path);
    int to = libc_openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    int from = libc_openat(AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
    if (to >= 0 && from >= 0) {
        if (fstat(from, &status) || fstat(to, &held)) die(path);
        long long shortest = atomic_exchange(&shared->shortest, LLONG_MAX);
        if (shortest < held.st_size && libc_ftruncate(to, shortest)) die(path);
        if (libc_ftruncate(to, status.st_size)) die(path);
        for (off_t block = 0; block * BLOCK < status.st_size && block < BLOCKS_MAX; block++) {
            if (!shared->dirty[block] || !atomic_exchange(&shared->dirty[block], 0)) continue;
            off_t end = (block + 1) * BLOCK;
            copy(from, to, block * BLOCK, end < status.st_size ? end : status.st_size);
        }
    } else if (!atomic_load(&shared->dead)) {
        die(path);
    }
    if (to >= 0) close(to);
    if (from >= 0) close(from);
    unlock(shared);
}

static void wrote(int descriptor, struct shared *shared, off_t at, ssize_t count) {
    int before = errno;
    if (count > 0) {
        for (off_t block = at / BLOCK; block <= (at + count - 1) / BLOCK; block++) {
            if (block >= BLOCKS_MAX) die("a file above 1 GiB");
            atomic_store(&shared->dirty[block], 1);
        }
        int flags = fcntl(descriptor, F_GETFL);
        if (flags >= 0 && (flags & O_DSYNC)) advance(descriptor, shared);
    }
    errno = before;
}

/* In libc's place -------------------------------------------------------------------------------------------------- */

static int open_watched(int folder, const char *name, int flags, mode_t mode) {
    start();
    bool writes = data_length && (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH);
    bool cuts = writes && (flags & O_TRUNC);
    /* What is about to be cut off must be in the copy first. */
    int descriptor = libc_openat(folder, name, cuts ? flags & ~O_TRUNC : flags, mode);
    if (descriptor < 0 || !writes) return descriptor;
    int after = errno;
    struct shared *shared = watched(descriptor, true);
    if (cuts) {
        if (libc_ftruncate(descriptor, 0)) die(name);
        if (shared) atomic_store(&shared->shortest, 0);
    }
    errno = after;
    return descriptor;
}

#define MODE                                \
    mode_t mode = 0;                        \
    if (flags & (O_CREAT | O_TMPFILE)) {    \
        va_list rest;                       \
        va_start(rest, flags);              \
        mode = va_arg(rest, mode_t);        \
        va_end(rest);                       \
    }
int open(const char *name, int flags, ...) { MODE return open_watched(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE return open_watched(AT_FDCWD, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE return open_watched(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE return open_watched(folder, name, flags, mode); }
int __open_2(const char *name, int flags) { return open_watched(AT_FDCWD, name, flags, 0); }
int __open64_2(const char *name, int flags) { return open_watched(AT_FDCWD, name, flags, 0); }
int creat(const char *name, mode_t mode) { return open_watched(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return creat(name, mode); }

#define WRITE(call, place)                                      \
    start();                                                    \
    struct shared *shared = watched(descriptor, true);          \
    ssize_t count = call;                                       \
    if (shared && count > 0) wrote(descriptor, shared, place, count); \
    return count;
ssize_t write(int descriptor, const void *bytes, size_t length) {
    WRITE(libc_write(descriptor, bytes, length), lseek(descriptor, 0, SEEK_CUR) - count)
}
ssize_t writev(int descriptor, const struct iovec *parts, int number) {
    WRITE(libc_writev(descriptor, parts, number), lseek(descriptor, 0, SEEK_CUR) - count)
}
ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t at) {
    WRITE(libc_pwrite(descriptor, bytes, length, at), at)
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off_t at) { return pwrite(descriptor, bytes, length, at); }
ssize_t pwritev(int descriptor, const struct iovec *parts, int number, off_t at) {
    WRITE(libc_pwritev(descriptor, parts, number, at), at)
}
ssize_t pwritev64(int descriptor, const struct iovec *parts, int number, off_t at) { return pwritev(descriptor, parts, number, at); }

int ftruncate(int descriptor, off_t length) {
    start();
    struct shared *shared = watched(descriptor, true);
    int result = libc_ftruncate(descriptor, length);
    if (!result && shared) {
        long long least = atomic_load(&shared->shortest);
        while (length < least && !atomic_compare_exchange_weak(&shared->shortest, &least, length)) {}
    }
    return result;
}
int ftruncate64(int descriptor, off_t length) { return ftruncate(descriptor, length); }
int truncate(const char *name, off_t length) {
    int descriptor = open_watched(AT_FDCWD, name, O_WRONLY | O_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    int result = ftruncate(descriptor, length), after = errno;
    close(descriptor);
    errno = after;
    return result;
}
int truncate64(const char *name, off_t length) { return truncate(name, length); }

/* What has not been opened for writing since the start has nothing to sync. */
static int sync_file(int descriptor, int (*libc)(int)) {
    start();
    int result = libc(descriptor), after = errno;
    struct shared *shared = result ? NULL : watched(descriptor, false);
    if (shared) advance(descriptor, shared);
    errno = after;
    return result;
}
int fsync(int descriptor) { return sync_file(descriptor, libc_fsync); }
int fdatasync(int descriptor) { return sync_file(descriptor, libc_fdatasync); }

/* The file that a name meant is gone: whoever still knows it must not take another for it. */
static void bury(const char *name) {
    struct shared *shared = map_dirty(name, false);
    if (!shared) return;
    atomic_store(&shared->dead, 1);
    munmap(shared, sizeof *shared);
}
static void remove_stored(const char *name) {
    char path[PATH_MAX];
    stored("held", name, path), libc_unlink(path);
    stored("dirty", name, path), libc_unlink(path);
}
static void settle(const char *name) {
    struct shared *shared = map_dirty(name, false);
    if (!shared) return;
    lock(shared);
    snprintf(shared->path, sizeof shared->path, "%s", name);
    unlock(shared);
    munmap(shared, sizeof *shared);
}

/* Brings the copy and the marks under another name, by a rename or as a second one. */
static void follow(const char *from, const char *to, int (*act)(const char *, const char *)) {
    char source[PATH_MAX], target[PATH_MAX];
    for (int i = 0; i < 2; i++) {
        const char *kind = i ? "dirty" : "held";
        stored(kind, from, source), stored(kind, to, target);
        libc_unlink(target);
        if (access(source, F_OK)) continue;
        make_folders(target);
        if (act(source, target)) die(target);
    }
    settle(to);
}

int rename(const char *from, const char *to) {
    start();
    char source[PATH_MAX], target[PATH_MAX];
    const char *old = name_at(from, source), *new = name_at(to, target);
    struct stat status;
    bool known = old && new && !stat(from, &status) && S_ISREG(status.st_mode);
    if (known && !stat(to, &status)) bury(new);
    int result = libc_rename(from, to), after = errno;
    if (known && !result) follow(old, new, libc_rename);
    errno = after;
    return result;
}
int link(const char *from, const char *to) {
    start();
    char source[PATH_MAX], target[PATH_MAX];
    const char *old = name_at(from, source), *new = name_at(to, target);
    int result = libc_link(from, to), after = errno;
    if (!result && old && new) follow(old, new, libc_link);
    errno = after;
    return result;
}
int unlink(const char *name) {
    start();
    char path[PATH_MAX];
    struct stat status;
    const char *known = name_at(name, path);
    bool is_last = known && !lstat(name, &status) && S_ISREG(status.st_mode) && status.st_nlink == 1;
    int result = libc_unlink(name), after = errno;
    if (known && !result) {
        if (is_last) bury(known);
        remove_stored(known);
    }
    errno = after;
    return result;
}
