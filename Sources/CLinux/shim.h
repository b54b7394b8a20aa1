#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* Variadic functions and macros that Swift cannot see. */
static inline void patchbay_limit_arenas(int count) { mallopt(M_ARENA_MAX, count); }
static inline void patchbay_forbid_dumps(void) { prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
static inline void patchbay_trim_memory(void) { malloc_trim(0); }
/* How many files and sockets may be open, raised as far as the system lets it, at most to `most`. */
static inline long patchbay_raise_descriptors(unsigned long most) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    rlim_t before = limit.rlim_cur, wanted = limit.rlim_max < most ? limit.rlim_max : most;
    if (wanted <= before) return (long)(before < most ? before : most);
    limit.rlim_cur = wanted;
    return (long)(setrlimit(RLIMIT_NOFILE, &limit) == 0 ? wanted : before);
}
