/* libzmq under load: the twin of benches/load, which says what is measured. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "kit.h"

enum { SLOW = 100, LOOK_MS = 100, PAUSE_US = 100, TIMES_MAX = 4000000 };

static void *client, *server, *rep, *pull, *push, *slow[SLOW];
static atomic_int over, flooding;
static atomic_long passed;
static long sent;
static double began, *times_us;
static long times;

static void check(int rc, const char *what)
{
    if (rc < 0)
        fail(what, zmq_strerror(zmq_errno()));
}

static void *make(void *context, int type)
{
    int look_ms = LOOK_MS, none = 0;
    void *socket = zmq_socket(context, type);
    if (type != ZMQ_REQ) {
        zmq_setsockopt(socket, ZMQ_RCVTIMEO, &look_ms, sizeof look_ms);
        zmq_setsockopt(socket, ZMQ_SNDTIMEO, &look_ms, sizeof look_ms);
    }
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    return socket;
}

static void join(void *bound, void *connecting)
{
    char at[256];
    size_t length = sizeof at;
    if (zmq_getsockopt(bound, ZMQ_LAST_ENDPOINT, at, &length) < 0 || length < 2) {
        check(zmq_bind(bound, "tcp://127.0.0.1:*"), "bind");
        length = sizeof at;
        check(zmq_getsockopt(bound, ZMQ_LAST_ENDPOINT, at, &length), "endpoint");
    }
    check(zmq_connect(connecting, at), at);
}

static void tell(const char *prefix)
{
    qsort(times_us, times, sizeof *times_us, by_size);
    double last = times > 0 ? times - 1 : 0;
    printf("%scount=%ld %sp50_us=%.1f %sp99_us=%.1f %sp999_us=%.1f %smax_us=%.1f ", prefix, times, prefix,
           times_us[(long) (last * 0.5)], prefix, times_us[(long) (last * 0.99)], prefix,
           times_us[(long) (last * 0.999)], prefix, times_us[(long) last]);
}

static void ask(void *req, double seconds)
{
    double start = now();
    zmq_msg_t answer;
    times = 0;
    while (now() - start < seconds && times < TIMES_MAX) {
        double asked = now();
        check(zmq_send(req, body, size, 0), "send");
        zmq_msg_init(&answer);
        check(zmq_msg_recv(&answer, req, 0), "recv");
        zmq_msg_close(&answer);
        times_us[times++] = (now() - asked) * 1e6;
    }
}

static void *answering(void *unused)
{
    zmq_msg_t request;
    (void) unused;
    while (!over) {
        zmq_msg_init(&request);
        if (zmq_msg_recv(&request, rep, 0) >= 0)
            zmq_msg_send(&request, rep, 0);
        else
            zmq_msg_close(&request);
    }
    return NULL;
}

static void *taking(void *unused)
{
    zmq_msg_t message;
    (void) unused;
    while (!over) {
        zmq_msg_init(&message);
        if (zmq_msg_recv(&message, pull, 0) >= 0)
            atomic_fetch_add_explicit(&passed, 1, memory_order_relaxed);
        zmq_msg_close(&message);
    }
    return NULL;
}

static void *flood(void *unused)
{
    (void) unused;
    while (!over)
        if (flooding)
            zmq_send(push, body, size, 0);
        else
            usleep(1000);
    return NULL;
}

static int trips(double seconds)
{
    pthread_t thread[3];
    void *req = make(client, ZMQ_REQ);
    rep = make(server, ZMQ_REP);
    pull = make(server, ZMQ_PULL);
    push = make(client, ZMQ_PUSH);
    join(rep, req);
    join(pull, push);
    pthread_create(&thread[0], NULL, answering, NULL);
    pthread_create(&thread[1], NULL, taking, NULL);
    pthread_create(&thread[2], NULL, flood, NULL);
    ask(req, seconds);
    tell("alone_");
    flooding = 1;
    ask(req, seconds / 10);
    long before = passed;
    double start = now();
    ask(req, seconds);
    double rate = (passed - before) / (now() - start);
    over = 1;
    tell("");
    printf("flood/s=%.0f\n", rate);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    return 0;
}

static void *trickle(void *unused)
{
    (void) unused;
    for (uint64_t index = 0; !over; index++) {
        struct timespec pause = {0, PAUSE_US * 1000};
        uint64_t words[2] = {index % SLOW, (uint64_t) ((now() - began) * 1e9)};
        sent += zmq_send(slow[index % SLOW], words, sizeof words, 0) >= 0;
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static int fair(double seconds)
{
    pthread_t thread[2];
    long of_fast = 0, of_slow[SLOW] = {0}, least, most = 1, arrived = 0;
    double rate = 0;
    int greeted = 0;
    pull = make(server, ZMQ_PULL);
    push = make(client, ZMQ_PUSH);
    join(pull, push);
    for (int i = 0; i < SLOW; i++) {
        slow[i] = make(client, ZMQ_PUSH);
        join(pull, slow[i]);
    }
    /* All are there once each has said something. */
    for (int i = 0; i < SLOW; i++)
        check(zmq_send(slow[i], "", 0, 0), "send");
    while (greeted < SLOW)
        greeted += zmq_recv(pull, times_us, 8, 0) >= 0;
    began = now();
    flooding = 1;
    pthread_create(&thread[0], NULL, flood, NULL);
    pthread_create(&thread[1], NULL, trickle, NULL);
    for (;;) {
        zmq_msg_t message;
        double at = now() - began;
        if (!over && at >= seconds) {
            over = 1;
            rate = of_fast / at;
        }
        zmq_msg_init(&message);
        if (zmq_msg_recv(&message, pull, 0) < 0) {
            if (over)
                break;
            continue;
        }
        if (zmq_msg_size(&message) == 16) {
            uint64_t *words = zmq_msg_data(&message);
            of_slow[words[0]]++;
            arrived++;
            if (times < TIMES_MAX)
                times_us[times++] = (now() - began) * 1e6 - words[1] / 1e3;
        } else
            of_fast++;
        zmq_msg_close(&message);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    least = of_slow[0];
    for (int i = 0; i < SLOW; i++) {
        least = of_slow[i] < least ? of_slow[i] : least;
        most = of_slow[i] > most ? of_slow[i] : most;
    }
    tell("");
    printf("lost=%ld least_of_most=%.2f flood/s=%.0f\n", sent - arrived, least / (double) most, rate);
    return 0;
}

int main(int words, char **word)
{
    if (words != 3)
        return lacking("usage: load trips|fair SECONDS");
    load("64", "1");
    client = zmq_ctx_new();
    server = zmq_ctx_new();
    times_us = malloc(TIMES_MAX * sizeof *times_us);
    if (!strcmp(word[1], "trips"))
        return trips(atof(word[2]));
    if (!strcmp(word[1], "fair"))
        return fair(atof(word[2]));
    return lacking("no such role");
}
