/* unsynced: an LD_PRELOAD layer under which a killed process loses what it had not synced, as at a power cut.
 *
 * kill -9 alone proves nothing about durability: the kernel keeps the written pages and writes them later. Here each
 * watched file FILE has a shadow, FILE.unsynced, which moves forward only when the file is synced. After the kill,
 * unsynced-restore puts the shadows in the files' places: that is what a disk would have held.
 *
 *   UNSYNCED_PATH=/absolute/path/of/patchbay.sqlite LD_PRELOAD=/…/unsynced.so patchbay serve
 *
 * Watched are all regular files whose path starts with UNSYNCED_PATH, except *-shm (SQLite maps it and makes it anew
 * after a crash) and the shadows themselves.
 *
 * What it models:
 *   - fsync and fdatasync of a file bring all its written ranges and its length into the shadow, before they return.
 *     So do sync, syncfs, and each write through O_SYNC or O_DSYNC.
 *   - A sync that fails loses its ranges for good: the kernel marks the pages clean, and the next sync, which
 *     succeeds, does not write them.
 *   - A new file exists at once, but empty, until its first sync.
 *   - Renames and unlinks are on the disk at once: the file under its new name has only what was synced. This is the
 *     worse of the two orders for a program that forgets to sync before it renames.
 *   - A shared, writable mapping of a watched file is refused (EACCES): its writes could not be seen.
 * What it does not: torn sectors (a write is kept whole or not at all, unless the kill falls into the sync itself),
 * two processes that write the same file, io_uring, writes by raw system calls and by stdio (fopen).
 *
 * Files are known by device and inode, so that descriptors may be duplicated and closed as one likes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
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

#define FILES_MAX 256       /* a database has three or four */
#define RANGES_MAX 65536    /* beyond it the whole file counts as written */
#define SHADOW ".unsynced"

struct range {
    off_t from, to;
};

struct file {
    pthread_mutex_t lock;
    atomic_bool alive;
    dev_t device;
    ino_t inode;
    char path[PATH_MAX];
    int shadow;
    int real;               /* for reading; not opened anew, since closing it drops the process's POSIX locks on the file */
    off_t shortest;         /* the least length since the last sync: what was cut off is gone, though it grew again */
    struct range *ranges;   /* written since the last sync */
    size_t count, room;
};

static struct file files[FILES_MAX];
static atomic_int files_used;
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static char prefix[PATH_MAX];
static size_t prefix_length;

/* The functions of libc that we stand before. */
static int (*libc_openat)(int, const char *, int, ...);
static ssize_t (*libc_write)(int, const void *, size_t);
static ssize_t (*libc_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*libc_writev)(int, const struct iovec *, int);
static ssize_t (*libc_pwritev)(int, const struct iovec *, int, off_t);
static ssize_t (*libc_pwritev2)(int, const struct iovec *, int, off_t, int);
static ssize_t (*libc_copy_file_range)(int, off_t *, int, off_t *, size_t, unsigned);
static int (*libc_ftruncate)(int, off_t);
static int (*libc_truncate)(const char *, off_t);
static int (*libc_fallocate)(int, int, off_t, off_t);
static int (*libc_fsync)(int);
static int (*libc_fdatasync)(int);
static int (*libc_syncfs)(int);
static void (*libc_sync)(void);
static int (*libc_renameat2)(int, const char *, int, const char *, unsigned);
static int (*libc_unlinkat)(int, const char *, int);
static int (*libc_mkostemps)(char *, int, int);
static void *(*libc_mmap)(void *, size_t, int, int, int, off_t);

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void die(const char *what) {
    dprintf(2, "unsynced: %s: %s\n", what, strerror(errno));
    _exit(70);  /* a layer that cannot keep its promise must not look like a passed test */
}

static void prepare(void) {
#define FIND(name) libc_##name = dlsym(RTLD_NEXT, #name)
    FIND(openat), FIND(write), FIND(pwrite), FIND(writev), FIND(pwritev), FIND(pwritev2), FIND(copy_file_range);
    FIND(ftruncate), FIND(truncate), FIND(fallocate), FIND(fsync), FIND(fdatasync), FIND(syncfs), FIND(sync);
    FIND(renameat2), FIND(unlinkat), FIND(mmap), FIND(mkostemps);
#undef FIND
    const char *given = getenv("UNSYNCED_PATH");
    if (!given || !*given) return;
    if (given[0] != '/') {
        errno = EINVAL;
        die("UNSYNCED_PATH must be an absolute path");
    }
    /* Paths are compared as the kernel tells them, so without links on the way. */
    char folder[PATH_MAX], real[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", given);
    char *name = strrchr(folder, '/');
    *name++ = 0;
    if (!realpath(*folder ? folder : "/", real)) die("the folder of UNSYNCED_PATH");
    int length = snprintf(prefix, sizeof prefix, "%s/%s", strcmp(real, "/") ? real : "", name);
    if (length < 0 || (size_t)length >= sizeof prefix) die("UNSYNCED_PATH is too long");
    prefix_length = (size_t)length;
}

__attribute__((constructor)) static void start(void) { pthread_once(&once, prepare); }

static bool ends(const char *path, const char *end) {
    size_t length = strlen(path), part = strlen(end);
    return length >= part && !strcmp(path + length - part, end);
}

static bool watched(const char *path) {
    return prefix_length && !strncmp(path, prefix, prefix_length) && !ends(path, SHADOW) && !ends(path, "-shm");
}

/* The path that a descriptor or a name stands for, without links. Of a name, the last part need not exist. */
static bool path_of_descriptor(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return false;
    path[length] = 0;
    return path[0] == '/';
}

static bool path_of_name(int folder, const char *name, char *path) {
    char whole[PATH_MAX], base[PATH_MAX], parent[PATH_MAX];
    if (name[0] == '/' || folder == AT_FDCWD) {
        if (snprintf(whole, sizeof whole, "%s", name) >= PATH_MAX) return false;
    } else {
        if (!path_of_descriptor(folder, base)) return false;
        if (snprintf(whole, sizeof whole, "%s/%s", base, name) >= PATH_MAX) return false;
    }
    char *slash = strrchr(whole, '/');
    const char *last = slash ? slash + 1 : whole;
    if (slash) *slash = 0;
    if (!realpath(slash ? (*whole ? whole : "/") : ".", parent)) return false;
    return snprintf(path, PATH_MAX, "%s/%s", strcmp(parent, "/") ? parent : "", last) < PATH_MAX;
}

static struct file *find(const struct stat *status) {
    int used = atomic_load(&files_used);
    for (int i = 0; i < used; i++) {
        struct file *file = &files[i];
        if (atomic_load(&file->alive) && file->inode == status->st_ino && file->device == status->st_dev) return file;
    }
    return NULL;
}

static struct file *file_of(int descriptor) {
    if (!atomic_load(&files_used)) return NULL;
    int before = errno;
    struct stat status;
    struct file *file = fstat(descriptor, &status) || !S_ISREG(status.st_mode) ? NULL : find(&status);
    errno = before;
    return file;
}

static void shadow_name(const char *path, char *name) {
    if (snprintf(name, PATH_MAX, "%s" SHADOW, path) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        die(path);
    }
}

/* Under the file's lock. */
static void remember(struct file *file, off_t from, off_t to) {
    if (to <= from) return;
    if (file->count && file->ranges[file->count - 1].to == from) {
        file->ranges[file->count - 1].to = to;
        return;
    }
    if (file->count >= RANGES_MAX) {
        file->count = 0;
        from = 0, to = LLONG_MAX;
    }
    if (file->count == file->room) {
        file->room = file->room ? 2 * file->room : 64;
        file->ranges = realloc(file->ranges, file->room * sizeof *file->ranges);
        if (!file->ranges) die("no memory");
    }
    file->ranges[file->count++] = (struct range){from, to};
}

static void copy(int from, int to, off_t at, off_t end) {
    static __thread char buffer[1 << 16];
    while (at < end) {
        size_t want = end - at < (off_t)sizeof buffer ? (size_t)(end - at) : sizeof buffer;
        ssize_t got = pread(from, buffer, want, at);
        if (got < 0) die("reading a watched file");
        if (!got) return;
        for (ssize_t done = 0; done < got;) {
            ssize_t put = libc_pwrite(to, buffer + done, (size_t)(got - done), at + done);
            if (put < 0) die("writing a shadow");
            done += put;
        }
        at += got;
    }
}

/* Under the file's lock: the disk now has what the file has. */
static void advance(struct file *file) {
    struct stat status;
    if (fstat(file->real, &status)) die(file->path);
    if (file->shortest < status.st_size && libc_ftruncate(file->shadow, file->shortest)) die("cutting a shadow");
    if (libc_ftruncate(file->shadow, status.st_size)) die("sizing a shadow");
    for (size_t i = 0; i < file->count; i++) {
        struct range range = file->ranges[i];
        copy(file->real, file->shadow, range.from, range.to < status.st_size ? range.to : status.st_size);
    }
    file->count = 0;
    file->shortest = status.st_size;
}

/* Begins to watch a file that exists. What it holds counts as synced, unless it has a shadow that says otherwise. */
static struct file *watch(const char *path, const struct stat *status) {
    pthread_mutex_lock(&table);
    struct file *file = find(status);
    if (!file) {
        int used = atomic_load(&files_used), i = 0;
        while (i < used && atomic_load(&files[i].alive)) i++;
        if (i == FILES_MAX) {
            errno = ENFILE;
            die("too many watched files");
        }
        file = &files[i];
        if (i == used) pthread_mutex_init(&file->lock, NULL);
        char name[PATH_MAX];
        shadow_name(path, name);
        snprintf(file->path, sizeof file->path, "%s", path);
        file->device = status->st_dev, file->inode = status->st_ino, file->count = 0;
        file->shortest = status->st_size;
        struct stat old;
        bool kept = !stat(name, &old);
        file->shadow = libc_openat(AT_FDCWD, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (file->shadow < 0) die(name);
        file->real = libc_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
        if (file->real < 0) die(path);
        if (kept) {
            file->shortest = 0;
            remember(file, 0, LLONG_MAX);  /* an earlier process may have left anything unsynced */
        } else if (status->st_size) {
            copy(file->real, file->shadow, 0, status->st_size);
        }
        atomic_store(&file->alive, true);
        if (i == used) atomic_store(&files_used, used + 1);
    }
    pthread_mutex_unlock(&table);
    return file;
}

/* Ends watching a file that has lost its name, and its shadow with it. */
static void forget(struct file *file) {
    char name[PATH_MAX];
    struct stat status;
    pthread_mutex_lock(&file->lock);
    atomic_store(&file->alive, false);
    shadow_name(file->path, name);
    libc_unlinkat(AT_FDCWD, name, 0);
    close(file->shadow);
    if (!fstat(file->real, &status) && !status.st_nlink) close(file->real);
    file->count = 0;
    pthread_mutex_unlock(&file->lock);
}

/* Opening ------------------------------------------------------------------------------------------------------ */

static int open_watched(int folder, const char *name, int flags, mode_t mode) {
    start();
    if (!prefix_length || (flags & O_PATH) || (flags & O_TMPFILE) == O_TMPFILE) return libc_openat(folder, name, flags, mode);
    char path[PATH_MAX];
    struct stat status;
    struct file *cut = NULL;
    /* What is about to be cut off must be in the shadow first. */
    if ((flags & O_TRUNC) && path_of_name(folder, name, path) && watched(path) && !stat(path, &status)
        && S_ISREG(status.st_mode)) {
        cut = watch(path, &status);
        pthread_mutex_lock(&cut->lock);
    }
    int descriptor = libc_openat(folder, name, flags, mode);
    int after = errno;
    if (cut) {
        if (descriptor >= 0) cut->shortest = 0, cut->count = 0;
        pthread_mutex_unlock(&cut->lock);
    } else if (descriptor >= 0 && (flags & O_ACCMODE) != O_RDONLY && path_of_descriptor(descriptor, path)
               && watched(path) && !fstat(descriptor, &status) && S_ISREG(status.st_mode)) {
        watch(path, &status);
    }
    errno = after;
    return descriptor;
}

#define MODE                                                  \
    mode_t mode = 0;                                          \
    if (flags & (O_CREAT | O_TMPFILE)) {                      \
        va_list rest;                                         \
        va_start(rest, flags);                                \
        mode = va_arg(rest, mode_t);                          \
        va_end(rest);                                         \
    }

int open(const char *name, int flags, ...) { MODE return open_watched(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE return open_watched(AT_FDCWD, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE return open_watched(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE return open_watched(folder, name, flags, mode); }
int __open_2(const char *name, int flags) { return open_watched(AT_FDCWD, name, flags, 0); }
int __open64_2(const char *name, int flags) { return open_watched(AT_FDCWD, name, flags, 0); }
int __openat_2(int folder, const char *name, int flags) { return open_watched(folder, name, flags, 0); }
int __openat64_2(int folder, const char *name, int flags) { return open_watched(folder, name, flags, 0); }
int creat(const char *name, mode_t mode) { return open_watched(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return open_watched(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

static int watch_new(int descriptor) {
    int after = errno;
    char path[PATH_MAX];
    struct stat status;
    if (descriptor >= 0 && prefix_length && path_of_descriptor(descriptor, path) && watched(path) && !fstat(descriptor, &status))
        watch(path, &status);
    errno = after;
    return descriptor;
}

/* libc opens these itself, past our open. */
int mkstemp(char *name) { start(); return watch_new(libc_mkostemps(name, 0, 0)); }
int mkstemp64(char *name) { return mkstemp(name); }
int mkostemp(char *name, int flags) { start(); return watch_new(libc_mkostemps(name, 0, flags)); }
int mkostemp64(char *name, int flags) { return mkostemp(name, flags); }
int mkstemps(char *name, int end) { start(); return watch_new(libc_mkostemps(name, end, 0)); }
int mkstemps64(char *name, int end) { return mkstemps(name, end); }
int mkostemps(char *name, int end, int flags) { start(); return watch_new(libc_mkostemps(name, end, flags)); }
int mkostemps64(char *name, int end, int flags) { return mkostemps(name, end, flags); }

/* Writing ------------------------------------------------------------------------------------------------------ */

/* Ends a write under the file's lock: the range is remembered, and with O_SYNC or O_DSYNC on the disk already. */
static void wrote(struct file *file, int descriptor, off_t from, ssize_t count) {
    int before = errno;
    if (count > 0) {
        remember(file, from, from + count);
        int flags = fcntl(descriptor, F_GETFL);
        if (flags >= 0 && (flags & O_DSYNC)) advance(file);
    }
    errno = before;
    pthread_mutex_unlock(&file->lock);
}

/* For writes at the descriptor's own position, which has moved on by `count`; O_APPEND is right so too. */
#define AT_POSITION(call)                                                       \
    start();                                               \
    struct file *file = file_of(descriptor);                                    \
    if (!file) return call;                                                     \
    pthread_mutex_lock(&file->lock);                                            \
    ssize_t count = call;                                                       \
    wrote(file, descriptor, count > 0 ? lseek(descriptor, 0, SEEK_CUR) - count : 0, count); \
    return count;

#define AT_OFFSET(call)                                                         \
    start();                                               \
    struct file *file = file_of(descriptor);                                    \
    if (!file) return call;                                                     \
    pthread_mutex_lock(&file->lock);                                            \
    ssize_t count = call;                                                       \
    wrote(file, descriptor, at, count);                                         \
    return count;

ssize_t write(int descriptor, const void *bytes, size_t length) { AT_POSITION(libc_write(descriptor, bytes, length)) }
ssize_t writev(int descriptor, const struct iovec *parts, int number) { AT_POSITION(libc_writev(descriptor, parts, number)) }
ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t at) { AT_OFFSET(libc_pwrite(descriptor, bytes, length, at)) }
ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off_t at) { return pwrite(descriptor, bytes, length, at); }
ssize_t pwritev(int descriptor, const struct iovec *parts, int number, off_t at) { AT_OFFSET(libc_pwritev(descriptor, parts, number, at)) }
ssize_t pwritev64(int descriptor, const struct iovec *parts, int number, off_t at) { return pwritev(descriptor, parts, number, at); }
ssize_t pwritev2(int descriptor, const struct iovec *parts, int number, off_t at, int flags) {
    if (at == -1) { AT_POSITION(libc_pwritev2(descriptor, parts, number, at, flags)) }
    AT_OFFSET(libc_pwritev2(descriptor, parts, number, at, flags))
}
ssize_t pwritev64v2(int descriptor, const struct iovec *parts, int number, off_t at, int flags) {
    return pwritev2(descriptor, parts, number, at, flags);
}

ssize_t copy_file_range(int from, off_t *from_at, int descriptor, off_t *to_at, size_t length, unsigned flags) {
    off_t at = to_at ? *to_at : 0;
    if (to_at) { AT_OFFSET(libc_copy_file_range(from, from_at, descriptor, to_at, length, flags)) }
    AT_POSITION(libc_copy_file_range(from, from_at, descriptor, to_at, length, flags))
}

/* Sizes -------------------------------------------------------------------------------------------------------- */

int ftruncate(int descriptor, off_t length) {
    start();
    struct file *file = file_of(descriptor);
    if (!file) return libc_ftruncate(descriptor, length);
    pthread_mutex_lock(&file->lock);
    int result = libc_ftruncate(descriptor, length);
    if (!result && length < file->shortest) file->shortest = length;
    pthread_mutex_unlock(&file->lock);
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

int fallocate(int descriptor, int how, off_t at, off_t length) {
    start();
    struct file *file = file_of(descriptor);
    if (!file) return libc_fallocate(descriptor, how, at, length);
    if (how & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) {
        errno = EOPNOTSUPP;  /* would move what is not remembered */
        return -1;
    }
    pthread_mutex_lock(&file->lock);
    int result = libc_fallocate(descriptor, how, at, length);
    if (!result) remember(file, at, at + length);
    pthread_mutex_unlock(&file->lock);
    return result;
}
int fallocate64(int descriptor, int how, off_t at, off_t length) { return fallocate(descriptor, how, at, length); }

/* Syncing ------------------------------------------------------------------------------------------------------ */

static int sync_file(int descriptor, int (*libc)(int)) {
    struct file *file = file_of(descriptor);
    if (!file) return libc(descriptor);
    pthread_mutex_lock(&file->lock);
    int result = libc(descriptor), after = errno;
    if (result) {
        file->count = 0;  /* lost: see above */
    } else if (atomic_load(&file->alive)) {
        advance(file);
    }
    pthread_mutex_unlock(&file->lock);
    errno = after;
    return result;
}

int fsync(int descriptor) {
    start();
    return sync_file(descriptor, libc_fsync);
}

int fdatasync(int descriptor) {
    start();
    return sync_file(descriptor, libc_fdatasync);
}

static void advance_all(void) {
    int used = atomic_load(&files_used), before = errno;
    for (int i = 0; i < used; i++) {
        pthread_mutex_lock(&files[i].lock);
        if (atomic_load(&files[i].alive)) advance(&files[i]);
        pthread_mutex_unlock(&files[i].lock);
    }
    errno = before;
}

int syncfs(int descriptor) {
    start();
    int result = libc_syncfs(descriptor);
    if (!result) advance_all();
    return result;
}

void sync(void) {
    start();
    libc_sync();
    advance_all();
}

/* Names -------------------------------------------------------------------------------------------------------- */

static int rename_watched(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    start();
    char source[PATH_MAX], target[PATH_MAX], old_shadow[PATH_MAX], new_shadow[PATH_MAX];
    struct stat status;
    bool known = prefix_length && path_of_name(from_folder, from, source) && path_of_name(to_folder, to, target);
    bool from_watched = known && watched(source), to_watched = known && watched(target);
    if (!from_watched && !to_watched) return libc_renameat2(from_folder, from, to_folder, to, flags);
    if (flags & RENAME_EXCHANGE) {
        errno = EINVAL;
        return -1;
    }
    struct file *moved = NULL, *replaced = NULL;
    if (!stat(source, &status) && S_ISREG(status.st_mode)) moved = from_watched ? watch(source, &status) : find(&status);
    if (to_watched && !stat(target, &status) && S_ISREG(status.st_mode)) replaced = find(&status);
    int result = libc_renameat2(from_folder, from, to_folder, to, flags), after = errno;
    if (!result && !stat(target, &status) && S_ISREG(status.st_mode)) {
        if (replaced && replaced != moved) forget(replaced);
        if (to_watched) shadow_name(target, new_shadow), libc_unlinkat(AT_FDCWD, new_shadow, 0);
        if (moved && to_watched) {
            pthread_mutex_lock(&moved->lock);
            shadow_name(source, old_shadow);
            if (libc_renameat2(AT_FDCWD, old_shadow, AT_FDCWD, new_shadow, 0)) die("moving a shadow");
            snprintf(moved->path, sizeof moved->path, "%s", target);
            pthread_mutex_unlock(&moved->lock);
        } else if (moved) {
            forget(moved);
        } else {
            watch(target, &status);  /* from outside: what it holds counts as synced */
        }
    }
    errno = after;
    return result;
}

int rename(const char *from, const char *to) { return rename_watched(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return rename_watched(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return rename_watched(a, from, b, to, flags); }

int unlinkat(int folder, const char *name, int flags) {
    start();
    char path[PATH_MAX], shadow[PATH_MAX];
    struct stat status;
    struct file *file = NULL;
    bool ours = prefix_length && !(flags & AT_REMOVEDIR) && path_of_name(folder, name, path) && watched(path);
    if (ours && !lstat(path, &status)) file = find(&status);
    int result = libc_unlinkat(folder, name, flags), after = errno;
    if (ours && !result) {
        if (file) forget(file);
        shadow_name(path, shadow);
        libc_unlinkat(AT_FDCWD, shadow, 0);
    }
    errno = after;
    return result;
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int remove(const char *name) {
    struct stat status;
    return unlinkat(AT_FDCWD, name, !lstat(name, &status) && S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0);
}

/* Mapping ------------------------------------------------------------------------------------------------------ */

void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t at) {
    start();
    if ((protection & PROT_WRITE) && (flags & (MAP_SHARED | MAP_SHARED_VALIDATE)) && descriptor >= 0 && file_of(descriptor)) {
        errno = EACCES;
        return MAP_FAILED;
    }
    return libc_mmap(address, length, protection, flags, descriptor, at);
}
void *mmap64(void *address, size_t length, int protection, int flags, int descriptor, off_t at) {
    return mmap(address, length, protection, flags, descriptor, at);
}
