// What both PostgreSQL references need of libpq: one connection, prepared statements, rows of parameters.
#ifndef BENCH_POSTGRES_H
#define BENCH_POSTGRES_H

#include "../tools.h"
#include <libpq-fe.h>

#define VALUES_MAX 2048

static PGconn *db;

UNUSED static void connect_to(const char *url) {
    const char *names[] = {"dbname", "options", NULL};
    const char *values[] = {url, "-c search_path=patchbay -c synchronous_commit=on", NULL};
    db = PQconnectdbParams(names, values, 1);
    if (PQstatus(db) != CONNECTION_OK) stop("%s", PQerrorMessage(db));
}

UNUSED static PGresult *checked(PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) stop("%s", PQresultErrorMessage(result));
    return result;
}
UNUSED static void run(const char *sql) { PQclear(checked(PQexec(db, sql))); }

// The first value of the first row, as text; lives until the next call.
UNUSED static const char *value_of(const char *sql) {
    static char kept[4][64];
    static int turn;
    char *out = kept[turn++ % 4];
    PGresult *result = checked(PQexec(db, sql));
    snprintf(out, sizeof kept[0], "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return out;
}

// Parameters of one execution; integers are written as text, bytes are sent as they are.
struct values {
    int count;
    const char *at[VALUES_MAX];
    int lengths[VALUES_MAX], formats[VALUES_MAX];
    char numbers[VALUES_MAX][24];
};

UNUSED static void text(struct values *v, const char *value) {
    v->at[v->count] = value;
    v->formats[v->count++] = 0;
}
UNUSED static void integer(struct values *v, int64_t value) {
    snprintf(v->numbers[v->count], sizeof v->numbers[0], "%lld", (long long)value);
    text(v, v->numbers[v->count]);
}
UNUSED static void blob(struct values *v, const void *value, int length) {
    v->at[v->count] = value;
    v->lengths[v->count] = length;
    v->formats[v->count++] = 1;
}

// Prepares `head (…), (…) tail` with `rows` rows of `columns` parameters.
UNUSED static void prepare_rows(const char *name, const char *head, int columns, int rows, const char *tail) {
    char *sql = malloc(1 << 16), *at = sql;
    at += sprintf(at, "%s ", head);
    for (int row = 0; row < rows; row++) {
        for (int column = 0; column < columns; column++)
            at += sprintf(at, "%s$%d", column > 0 ? "," : row > 0 ? ",(" : "(", row * columns + column + 1);
        at += sprintf(at, ")");
    }
    sprintf(at, " %s", tail);
    PQclear(checked(PQprepare(db, name, sql, 0, NULL)));
    free(sql);
}

UNUSED static PGresult *execute(const char *name, struct values *v) {
    PGresult *result = checked(PQexecPrepared(db, name, v->count, v->at, v->lengths, v->formats, 0));
    v->count = 0;
    return result;
}

#endif
