/* A question and its answer over tcp, by the C interface. Built and run by ci/capi. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

int main(void)
{
    char at[256], text[16];
    size_t size = sizeof at;
    int major, minor, patch;
    void *context = zmq_ctx_new();
    void *rep = zmq_socket(context, ZMQ_REP);
    void *req = zmq_socket(context, ZMQ_REQ);

    zmq_version(&major, &minor, &patch);
    assert(ZMQ_MAKE_VERSION(major, minor, patch) == ZMQ_VERSION);
    assert(zmq_bind(rep, "tcp://127.0.0.1:*") == 0);
    assert(zmq_getsockopt(rep, ZMQ_LAST_ENDPOINT, at, &size) == 0);
    assert(zmq_connect(req, at) == 0);
    assert(zmq_send(req, "hello", 5, 0) == 5);
    assert(zmq_recv(rep, text, sizeof text, 0) == 5 && memcmp(text, "hello", 5) == 0);
    assert(zmq_send(rep, "world", 5, 0) == 5);
    assert(zmq_recv(req, text, sizeof text, 0) == 5 && memcmp(text, "world", 5) == 0);
    assert(zmq_close(req) == 0 && zmq_close(rep) == 0);
    assert(zmq_ctx_term(context) == 0);
    printf("C: %d.%d.%d\n", major, minor, patch);
    return 0;
}
