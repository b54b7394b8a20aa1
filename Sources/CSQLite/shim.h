#include <sqlite3.h>

/* sqlite3_config is variadic, which Swift cannot call. */
static inline sqlite3_destructor_type patchbay_sqlite_transient(void) { return SQLITE_TRANSIENT; }
