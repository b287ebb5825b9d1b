/* What the C programs share: the clock, the load, the line they print. See src/lib.rs, their
 * twin in Rust: the same command line, the same keys, exit code 3 for what the peer has not. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int size, count, hwm = 1000;
static char *body;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static int lacking(const char *why)
{
    fprintf(stderr, "%s\n", why);
    return 3;
}

static void load(const char *size_text, const char *count_text)
{
    size = atoi(size_text);
    count = atoi(count_text);
    body = malloc(size + 1);
    memset(body, 'x', size);
    if (getenv("HWM"))
        hwm = atoi(getenv("HWM"));
}

static void print_rate(long received, double began, double ended)
{
    printf("msgs/s=%.0f lost=%ld\n", (received - 1) / (ended - began), count - received);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

/* Without the first tenth, which warms up. */
static void print_trips(double *times_us)
{
    double *warm = times_us + count / 10, sum = 0;
    int n = count - count / 10;
    for (int i = 0; i < n; i++)
        sum += warm[i];
    qsort(warm, n, sizeof *warm, by_size);
    printf("mean_us=%.2f p50_us=%.2f p99_us=%.2f p999_us=%.2f\n", sum / n, warm[(int) ((n - 1) * 0.5)],
           warm[(int) ((n - 1) * 0.99)], warm[(int) ((n - 1) * 0.999)]);
}

static long resident_kb(void)
{
    char line[256];
    long kb = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmRSS: %ld", &kb) == 1)
            break;
    if (status)
        fclose(status);
    return kb;
}

static void print_weight(long bound_kb, int peers)
{
    long after_kb = resident_kb();
    printf("bound_kb=%ld after_kb=%ld per_peer_kb=%.2f\n", bound_kb, after_kb,
           (after_kb - bound_kb) / (double) peers);
}
