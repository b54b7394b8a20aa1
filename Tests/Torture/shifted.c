/* shifted: an LD_PRELOAD layer under which the wall clock jumps while the program runs, as when somebody sets it.
 *
 *   SHIFTED_CLOCK=/absolute/path LD_PRELOAD=/…/shifted.so patchbay serve
 *
 * The file holds one 64-bit number, by how many seconds the wall clock is wrong; whoever writes it, sets the clock.
 * Clocks that nobody can set (CLOCK_MONOTONIC, CLOCK_BOOTTIME) are as they are. Times of files are the kernel's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *shift;
static int (*libc_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void start(void) {
    if (libc_clock_gettime) return;
    libc_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("SHIFTED_CLOCK");
    if (!path) return;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    void *page = descriptor < 0 ? MAP_FAILED : mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, descriptor, 0);
    if (page == MAP_FAILED) _exit(70); /* a layer that does nothing must not look like a passed test */
    shift = page;
    close(descriptor);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    start();
    int result = libc_clock_gettime(clock, time);
    if (!result && shift && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += *shift;
    return result;
}

int gettimeofday(struct timeval *restrict value, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    value->tv_sec = now.tv_sec, value->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
