#include <malloc.h>
#include <sys/prctl.h>

/* Variadic functions and macros that Swift cannot see. */
static inline void patchbay_limit_arenas(int count) { mallopt(M_ARENA_MAX, count); }
static inline void patchbay_forbid_dumps(void) { prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
static inline void patchbay_trim_memory(void) { malloc_trim(0); }
