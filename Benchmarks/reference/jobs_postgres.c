// jobs_postgres URL [--seconds 5]
//
// The reference for jobs on PostgreSQL: one thread, one connection, inserts, claims and deletes the same rows of
// `jobs` in sets of 100, each of the three a statement and a commit of its own, in a database that `patchbay migrate`
// made. Written once and not tuned afterwards. Prints one line of JSON.
#include "postgres.h"

#define SET 100

int main(int count, char **arguments) {
    if (count < 2) stop("usage: jobs_postgres URL [--seconds 5]");
    double seconds = option_number(count, arguments, "--seconds", 5);
    connect_to(arguments[1]);
    prepare_rows("insert",
                 "INSERT INTO jobs (id, kind, version, lane, class, state, rank, due_at, input, subject, unique_key, created_at)"
                 " VALUES", 12, SET, "ON CONFLICT DO NOTHING RETURNING id");
    PQclear(checked(PQprepare(
        db, "claim",
        "UPDATE jobs SET state = 'running', node = $1, fence = fence + 1, attempts = attempts + 1, started_at = $2"
        " WHERE id IN (SELECT id FROM jobs WHERE lane = $3 AND state = 'available' ORDER BY rank, id LIMIT 100"
        " FOR UPDATE SKIP LOCKED)"
        " RETURNING id, kind, version, lane, class, input, subject, attempts, deaths, fence, created_at, first_failed_at",
        0, NULL)));
    PQclear(checked(PQprepare(db, "delete", "DELETE FROM jobs WHERE id = ANY($1) AND node = $2", 0, NULL)));

    char node[ID_MAX], (*ids)[ID_MAX] = malloc(SET * sizeof *ids), *list = malloc(SET * (ID_MAX + 1) + 2);
    struct values *v = calloc(1, sizeof *v);
    make_id(node, "node");
    double start = seconds_now(), now = start;
    long jobs = 0, commits = 0;
    while (now - start < seconds) {
        int64_t at = wall_microseconds();
        for (int i = 0; i < SET; i++) {
            make_id(ids[i], "job");
            text(v, ids[i]), text(v, "bench.noop"), integer(v, 1), text(v, "2/bench"), text(v, "event"), text(v, "available");
            integer(v, at), integer(v, at), blob(v, ids[i], 30), text(v, NULL), text(v, NULL), integer(v, at);
        }
        PQclear(execute("insert", v));
        text(v, node), integer(v, at), text(v, "2/bench");
        PGresult *claimed = execute("claim", v);
        int rows = PQntuples(claimed);
        char *end = list;
        for (int i = 0; i < rows; i++) end += sprintf(end, "%c%s", i == 0 ? '{' : ',', PQgetvalue(claimed, i, 0));
        sprintf(end, rows == 0 ? "{}" : "}");
        PQclear(claimed);
        text(v, list), text(v, node);
        PQclear(execute("delete", v));
        jobs += rows;
        commits += 3;
        now = seconds_now();
    }
    printf("{\"jobs\":%ld,\"seconds\":%.3f,\"per_second\":%.1f,\"commits\":%ld,\"fsync\":\"%s\",\"synchronous_commit\":\"%s\"}\n", jobs,
           now - start, (double)jobs / (now - start), commits, value_of("SHOW fsync"), value_of("SHOW synchronous_commit"));
    PQfinish(db);
    return 0;
}
