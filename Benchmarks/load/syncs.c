// syncs FOLDER [SECONDS]: how often this disk makes 4 KiB durable in a second, one after another, now.
// Writes over a file of 4 MiB that is there already, so that the file's size is not part of what is measured.
#define _GNU_SOURCE
#include "../tools.h"
#include <fcntl.h>

int main(int count, char **arguments) {
    if (count < 2) stop("usage: syncs FOLDER [SECONDS]");
    double wanted = count > 2 ? atof(arguments[2]) : 1;
    char path[4096];
    snprintf(path, sizeof path, "%s/syncs.tmp", arguments[1]);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0) stop("%s: %s", path, strerror(errno));
    unlink(path);
    static char page[4096];
    for (int i = 0; i < 1024; i++)
        if (pwrite(file, page, sizeof page, (off_t)i * 4096) != 4096) stop("write: %s", strerror(errno));
    if (fsync(file) != 0) stop("fsync: %s", strerror(errno));

    struct latencies latencies = {0};
    double start = seconds_now(), last = start;
    long syncs = 0;
    while (last - start < wanted) {
        memset(page, (int)syncs, sizeof page);
        if (pwrite(file, page, sizeof page, (syncs % 1024) * 4096) != 4096) stop("write: %s", strerror(errno));
        if (fdatasync(file) != 0) stop("fdatasync: %s", strerror(errno));
        double now = seconds_now();
        note_latency(&latencies, now - last);
        last = now;
        syncs++;
    }
    printf("{\"per_second\":%.1f,", (double)syncs / (last - start));
    print_latencies(&latencies);
    printf("}\n");
    return 0;
}
