// jobs_sqlite FILE [--seconds 5] [--set 100]
//
// The reference for jobs on SQLite: one thread inserts, claims and deletes the same rows of `jobs` in sets of 100,
// each of the three a commit of its own, synchronous=FULL, in a file that `patchbay migrate` made. Written once and
// not tuned afterwards. Prints one line of JSON.
#include "../tools.h"
#include <sqlite3.h>

#define SET_MAX 1000

static sqlite3 *db;

static void run(const char *sql) {
    char *problem = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &problem) != SQLITE_OK) stop("%s: %s", sql, problem);
}
static sqlite3_stmt *prepare(const char *sql) {
    sqlite3_stmt *s;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK) stop("%s: %s", sql, sqlite3_errmsg(db));
    return s;
}
static void step(sqlite3_stmt *s) {
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {}
    if (code != SQLITE_DONE) stop("%s: %s", sqlite3_sql(s), sqlite3_errmsg(db));
    sqlite3_reset(s);
}

int main(int count, char **arguments) {
    if (count < 2) stop("usage: jobs_sqlite FILE [--seconds 5] [--set 100]");
    double seconds = option_number(count, arguments, "--seconds", 5);
    int set = (int)option_number(count, arguments, "--set", 100);
    if (set < 1 || set > SET_MAX) stop("--set must be 1 to %d", SET_MAX);
    if (sqlite3_open_v2(arguments[1], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        stop("%s: %s", arguments[1], sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, 5000);
    run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1000;"
        "PRAGMA secure_delete = FAST; PRAGMA cache_size = -16384");

    sqlite3_stmt *insert = prepare(
        "INSERT INTO jobs (id, kind, version, lane, class, state, rank, due_at, input, subject, unique_key, created_at)"
        " VALUES (?1,'bench.noop',1,?2,'event','available',?3,?3,?4,NULL,NULL,?3) ON CONFLICT DO NOTHING RETURNING id");
    sqlite3_stmt *claim = prepare(
        "UPDATE jobs SET state = 'running', node = ?1, fence = fence + 1, attempts = attempts + 1, started_at = ?2"
        " WHERE id IN (SELECT id FROM jobs WHERE lane = ?3 AND state = 'available' ORDER BY rank, id LIMIT ?4)"
        " RETURNING id, kind, version, lane, class, input, subject, attempts, deaths, fence, created_at, first_failed_at");
    sqlite3_stmt *delete = prepare("DELETE FROM jobs WHERE id = ?1 AND node = ?2 AND fence = ?3");
    sqlite3_stmt *begin = prepare("BEGIN IMMEDIATE"), *commit = prepare("COMMIT");

    char node[ID_MAX], lane[ID_MAX + 8], (*ids)[ID_MAX] = malloc(SET_MAX * sizeof *ids);
    make_id(node, "node");
    snprintf(lane, sizeof lane, "2/bench");
    double start = seconds_now(), now = start;
    long jobs = 0, commits = 0;
    while (now - start < seconds) {
        int64_t at = wall_microseconds();
        step(begin);
        for (int i = 0; i < set; i++) {
            char id[ID_MAX];
            make_id(id, "job");
            sqlite3_bind_text(insert, 1, id, -1, SQLITE_STATIC);
            sqlite3_bind_text(insert, 2, lane, -1, SQLITE_STATIC);
            sqlite3_bind_int64(insert, 3, at);
            sqlite3_bind_blob(insert, 4, id, 30, SQLITE_STATIC);
            step(insert);
        }
        step(commit);

        int64_t fence = 0;
        int claimed = 0, code;
        step(begin);
        sqlite3_bind_text(claim, 1, node, -1, SQLITE_STATIC);
        sqlite3_bind_int64(claim, 2, at);
        sqlite3_bind_text(claim, 3, lane, -1, SQLITE_STATIC);
        sqlite3_bind_int(claim, 4, set);
        while ((code = sqlite3_step(claim)) == SQLITE_ROW) {
            snprintf(ids[claimed++], ID_MAX, "%s", (const char *)sqlite3_column_text(claim, 0));
            fence = sqlite3_column_int64(claim, 9);
        }
        if (code != SQLITE_DONE) stop("claim: %s", sqlite3_errmsg(db));
        sqlite3_reset(claim);
        step(commit);

        step(begin);
        for (int i = 0; i < claimed; i++) {
            sqlite3_bind_text(delete, 1, ids[i], -1, SQLITE_STATIC);
            sqlite3_bind_text(delete, 2, node, -1, SQLITE_STATIC);
            sqlite3_bind_int64(delete, 3, fence);
            step(delete);
        }
        step(commit);
        jobs += claimed;
        commits += 3;
        now = seconds_now();
    }
    sqlite3_stmt *ask = prepare("PRAGMA synchronous");
    sqlite3_step(ask);
    printf("{\"jobs\":%ld,\"seconds\":%.3f,\"per_second\":%.1f,\"commits\":%ld,\"synchronous\":%d}\n", jobs, now - start,
           (double)jobs / (now - start), commits, sqlite3_column_int(ask, 0));
    return 0;
}
