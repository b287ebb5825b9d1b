/* nng behind the command line of examples/perf.rs. It speaks SP, not ZMTP, has no DEALER and no
 * ROUTER, no linger, and its PUB drops. MODE=pair: PAIR version 1 in place of PUSH and PULL, which
 * wake a thread for each message. */

#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/util/platform.h>
#include <pthread.h>

#include "kit.h"

typedef int (*opener)(nng_socket *);

static nng_socket sock;
static nng_mtx *lock;
static nng_cv *changed;
static int arrived, gone;

static void check(int rc, const char *what)
{
    if (rc != 0)
        fail(what, nng_strerror(rc));
}

static void pipe_event(nng_pipe pipe, nng_pipe_ev event, void *unused)
{
    (void) pipe;
    (void) unused;
    nng_mtx_lock(lock);
    if (event == NNG_PIPE_EV_ADD_POST)
        arrived++;
    else
        gone++;
    nng_cv_wake(changed);
    nng_mtx_unlock(lock);
}

static nng_socket open_socket(opener open)
{
    nng_socket socket;
    check(open(&socket), "open");
    /* Not every kind of socket has both. */
    nng_socket_set_int(socket, NNG_OPT_SENDBUF, hwm);
    nng_socket_set_int(socket, NNG_OPT_RECVBUF, hwm);
    nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, pipe_event, NULL);
    nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, pipe_event, NULL);
    return socket;
}

static nng_socket bound(opener open, const char *at)
{
    nng_socket socket = open_socket(open);
    check(nng_listen(socket, at, NULL, 0), at);
    return socket;
}

static nng_socket connected(opener open, const char *at)
{
    nng_socket socket = open_socket(open);
    check(nng_dial(socket, at, NULL, 0), at);
    return socket;
}

/* Waits for a number of pipes to come, or to go. */
static void await(int *counter, int least)
{
    nng_mtx_lock(lock);
    while (*counter < least)
        nng_cv_wait(changed);
    nng_mtx_unlock(lock);
}

static void send_one(nng_socket socket)
{
    nng_msg *message;
    check(nng_msg_alloc(&message, size), "alloc");
    memcpy(nng_msg_body(message), body, size);
    check(nng_sendmsg(socket, message, 0), "send");
}

static int take(nng_socket socket)
{
    nng_msg *message;
    int rc = nng_recvmsg(socket, &message, 0), octets;
    if (rc == NNG_ETIMEDOUT)
        return -1;
    check(rc, "recv");
    octets = nng_msg_len(message);
    nng_msg_free(message);
    return octets;
}

static void receive_all(nng_socket socket)
{
    int received = 1, silence_ms = 1000;
    double began;
    if (take(socket) != size)
        fail("recv", "not what was sent");
    began = now();
    nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, silence_ms);
    while (received < count && take(socket) >= 0)
        received++;
    print_rate(received, began, now() - (received < count ? silence_ms / 1e3 : 0));
}

static int send_all(nng_socket socket)
{
    for (int i = 0; i < count; i++)
        send_one(socket);
    await(&gone, 1);
    return 0;
}

static void answer_all(nng_socket socket)
{
    for (int i = 0; i < count; i++) {
        take(socket);
        send_one(socket);
    }
    nng_msleep(300);
}

static void ask_all(nng_socket socket)
{
    double *times_us = malloc(count * sizeof *times_us);
    for (int i = 0; i < count; i++) {
        double began = now();
        send_one(socket);
        take(socket);
        times_us[i] = (now() - began) * 1e6;
    }
    print_trips(times_us);
}

static int publish(const char *at, int subscribers)
{
    sock = bound(nng_pub0_open, at);
    await(&arrived, subscribers);
    nng_msleep(300 + subscribers);
    for (int i = 0; i < count; i++)
        send_one(sock);
    nng_msleep(300);
    return 0;
}

static int subscribe(const char *at)
{
    sock = open_socket(nng_sub0_open);
    nng_socket_set(sock, NNG_OPT_SUB_SUBSCRIBE, "", 0);
    check(nng_dial(sock, at, NULL, 0), at);
    receive_all(sock);
    return 0;
}

static int connections(const char *at)
{
    double began = now();
    for (int i = 0; i < count; i++) {
        nng_socket socket = connected(nng_req0_open, at);
        send_one(socket);
        take(socket);
        nng_close(socket);
    }
    printf("conns/s=%.0f\n", count / (now() - began));
    return 0;
}

static int idle(const char *at, int peers)
{
    sock = bound(nng_pull0_open, at);
    long bound_kb = resident_kb();
    for (int i = 0; i < peers; i++)
        take(sock);
    print_weight(bound_kb, peers);
    return 0;
}

static void *pushing(void *at)
{
    nng_socket socket = connected(nng_push0_open, at);
    for (int i = 0; i < count; i++)
        send_one(socket);
    return NULL;
}

static void *answering(void *at)
{
    nng_socket socket = connected(nng_rep0_open, at);
    for (int i = 0; i < count; i++) {
        take(socket);
        send_one(socket);
    }
    return NULL;
}

static int inproc(opener open, void *(*other)(void *), void (*work)(nng_socket))
{
    char at[] = "inproc://here";
    pthread_t thread;
    sock = bound(open, at);
    pthread_create(&thread, NULL, other, at);
    await(&arrived, 1);
    work(sock);
    pthread_join(thread, NULL);
    return 0;
}

int main(int words, char **word)
{
    const char *role = words > 1 ? word[1] : "", *at = words > 2 ? word[2] : "";
    int pair = getenv("MODE") && !strcmp(getenv("MODE"), "pair");
    nng_mtx_alloc(&lock);
    nng_cv_alloc(&changed, lock);
    if (pair && strcmp(role, "push") && strcmp(role, "pull"))
        return lacking("PAIR stands for PUSH and PULL only");
    if (words == 4) {
        load(word[2], word[3]);
        if (!strcmp(role, "inproc-thr"))
            return inproc(nng_pull0_open, pushing, receive_all);
        if (!strcmp(role, "inproc-lat"))
            return inproc(nng_req0_open, answering, ask_all);
    }
    if (words < 5 || !strcmp(role, "dealer") || !strcmp(role, "router"))
        return lacking("no DEALER and no ROUTER");
    if (!strcmp(role, "idle")) {
        load("8", word[4]);
        return idle(word[3], count);
    }
    load(word[3], word[4]);
    if (!strcmp(role, "pull"))
        return receive_all(bound(pair ? nng_pair1_open : nng_pull0_open, at)), 0;
    if (!strcmp(role, "push"))
        return send_all(connected(pair ? nng_pair1_open : nng_push0_open, at));
    if (!strcmp(role, "rep"))
        return answer_all(bound(nng_rep0_open, at)), 0;
    if (!strcmp(role, "req"))
        return ask_all(connected(nng_req0_open, at)), 0;
    if (!strcmp(role, "pub"))
        return publish(at, words > 5 ? atoi(word[5]) : 1);
    if (!strcmp(role, "sub"))
        return subscribe(at);
    if (!strcmp(role, "conn"))
        return connections(at);
    return lacking("no such role");
}
