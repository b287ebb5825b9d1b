"""The other side of the interop tests: real libzmq sockets, driven over stdin and stdout.

Each line of stdin is a command, a JSON object: `do` names a function below that is marked as one,
the other members are its arguments. Each command is answered, in order, by one line: a JSON object
with `ok`, what the function gave, or `error`. (What runs until it is killed answers many times.)
Octets travel as hexadecimal. Whatever waits has a limit in milliseconds and says what it waited
for. The program ends with its input.
"""

import itertools
import json
import os
import select
import sys
import threading
import time

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

CONTEXT = zmq.Context()
SOCKETS = {}
MONITORS = {}
STREAMS = {}
COMMANDS = {}


def command(function):
    """Marks a function as a command."""
    COMMANDS[function.__name__] = function
    return function


# ---- sockets and their endpoints


@command
def make(socket, type, options):
    """Makes a socket of a type, with options by their names in zmq."""
    made = CONTEXT.socket(getattr(zmq, type))
    made.setsockopt(zmq.LINGER, 0)
    for name, value in options.items():
        value = bytes.fromhex(value) if isinstance(value, str) else value
        made.setsockopt(getattr(zmq, name), value)
    SOCKETS[socket] = made


@command
def bind(socket, endpoint):
    SOCKETS[socket].bind(endpoint)
    bound = SOCKETS[socket].getsockopt(zmq.LAST_ENDPOINT)
    return {"endpoint": bound.rstrip(b"\0").decode()}


@command
def connect(socket, endpoint):
    SOCKETS[socket].connect(endpoint)


@command
def close(socket, linger):
    """Closes a socket; `linger` in milliseconds."""
    SOCKETS.pop(socket).close(linger)


# ---- who may come in


class Keys:
    """The client keys that may come in."""

    def __init__(self, keys):
        self.keys = keys

    def callback(self, domain, key):
        return key in self.keys


@command
def guard(users, keys, domain="*"):
    """Lets in these users (name: password) by PLAIN, and these keys by CURVE, from now on."""
    authenticator = ThreadAuthenticator(CONTEXT)
    authenticator.start()
    authenticator.configure_plain(domain=domain, passwords=users)
    keys = Keys({z85.encode(bytes.fromhex(key)) for key in keys})
    authenticator.configure_curve_callback(domain=domain, credentials_provider=keys)


@command
def answer_zap(reply):
    """Answers every question of ZAP with these frames, from now on. Ends with the program."""
    handler = CONTEXT.socket(zmq.REP)
    handler.bind("inproc://zeromq.zap.01")
    frames = [bytes.fromhex(frame) for frame in reply]

    def serve():
        while True:
            handler.recv_multipart()
            handler.send_multipart(frames)

    threading.Thread(target=serve, daemon=True).start()


@command
def accept_from(socket, network):
    SOCKETS[socket].setsockopt(zmq.TCP_ACCEPT_FILTER, network.encode())


@command
def write_keys(folder, name):
    """Writes a pair of key files."""
    zmq.auth.create_certificates(folder, name)


@command
def read_keys(path):
    """What a key file holds, as text."""
    public, secret = zmq.auth.load_certificate(path)
    return {"public": public.hex(), "secret": (secret or b"").hex()}


@command
def keypair():
    """A key pair, as text."""
    public, secret = zmq.curve_keypair()
    return {"public": public.hex(), "secret": secret.hex()}


# ---- single messages


@command
def subscribe(socket, topic):
    SOCKETS[socket].subscribe(bytes.fromhex(topic))


@command
def unsubscribe(socket, topic):
    SOCKETS[socket].unsubscribe(bytes.fromhex(topic))


def put(made, frames, limit, what):
    """Sends, waiting for room; a ROUTER that must route waits for its peer, too."""
    made.sndtimeo = limit
    until = time.monotonic() + limit / 1000
    while True:
        try:
            return made.send_multipart(frames)
        except zmq.Again:
            raise TimeoutError(f"no room for {what} in {limit} ms") from None
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH or time.monotonic() > until:
                raise
            time.sleep(0.001)


def take(made, limit, what):
    made.rcvtimeo = limit
    try:
        return made.recv_multipart()
    except zmq.Again:
        raise TimeoutError(f"{what} did not come in {limit} ms") from None


@command
def send(socket, frames, limit):
    put(SOCKETS[socket], [bytes.fromhex(frame) for frame in frames], limit, "a message")


@command
def send_if_room(socket, frames):
    try:
        SOCKETS[socket].send_multipart([bytes.fromhex(frame) for frame in frames], zmq.DONTWAIT)
    except zmq.Again:
        pass


@command
def recv(socket, limit):
    frames = take(SOCKETS[socket], limit, f"a message for {socket}")
    return {"frames": [frame.hex() for frame in frames]}


@command
def recv_if_any(socket, limit):
    """A message, or null if none came within the limit."""
    made = SOCKETS[socket]
    if not made.poll(limit):
        return {"frames": None}
    return {"frames": [frame.hex() for frame in made.recv_multipart()]}


@command
def echo(socket, count, limit):
    """Sends back whole messages, as they came."""
    made = SOCKETS[socket]
    for number in range(count):
        put(made, take(made, limit, f"message {number} to echo"), limit, f"echo {number}")


# ---- what happens to a socket's connections


@command
def monitor(socket):
    """Watches a socket from now on."""
    MONITORS[socket] = SOCKETS[socket].get_monitor_socket()


@command
def recv_event(socket, wanted, limit):
    """The value of the next event of that name, past all others."""
    until = time.monotonic() + limit / 1000
    while True:
        if not MONITORS[socket].poll(max(0, until - time.monotonic()) * 1000):
            raise TimeoutError(f"no event {wanted} for {socket} in {limit} ms")
        event = recv_monitor_message(MONITORS[socket])
        if event["event"] == getattr(zmq.Event, wanted):
            return {"value": event["value"]}


@command
def count_events(socket, counted):
    """How many events of that name have come; those before and after them are read, too."""
    count = 0
    while MONITORS[socket].poll(0):
        count += recv_monitor_message(MONITORS[socket])["event"] == getattr(zmq.Event, counted)
    return {"count": count}


@command
def events(socket, count, limit):
    """The next events, as pairs of numbers: event=value. Descriptors and errors of theirs are 0."""
    until, told = time.monotonic() + limit / 1000, []
    while len(told) < count:
        if not MONITORS[socket].poll(max(0, until - time.monotonic()) * 1000):
            raise TimeoutError(f"{count} events for {socket} in {limit} ms, only {told}")
        event = recv_monitor_message(MONITORS[socket])
        told.append(f"{int(event['event'])}={event['value']}")
    return {"events": " ".join(told)}


@command
def unbind(socket, endpoint):
    SOCKETS[socket].unbind(endpoint)


@command
def disconnect(socket, endpoint):
    SOCKETS[socket].disconnect(endpoint)


@command
def bind_in_vain(socket, endpoint):
    """Binds to what is taken."""
    try:
        SOCKETS[socket].bind(endpoint)
    except zmq.ZMQError:
        return
    raise AssertionError(f"{endpoint} was free")


# ---- bodies that both sides can make up: octet n of a frame is n modulo 251


def body(octets):
    return (bytes(range(251)) * (octets // 251 + 1))[:octets]


@command
def send_bodies(socket, envelope, octets, limit):
    """Sends one message: the envelope, then a frame of each length."""
    frames = [bytes.fromhex(frame) for frame in envelope]
    put(SOCKETS[socket], frames + [body(n) for n in octets], limit, f"bodies {octets[:8]}")


@command
def recv_bodies(socket, envelope, octets, limit):
    """Receives one message: `envelope` frames of any kind, then a frame of each length."""
    what = f"bodies of {octets[:8]} octets"
    frames = take(SOCKETS[socket], limit, what)[envelope:]
    if [len(frame) for frame in frames] != octets:
        raise ValueError(f"awaited {what}, came {[len(frame) for frame in frames][:8]}")
    if any(frame != body(len(frame)) for frame in frames):
        raise ValueError(f"{what}: the octets are not those that were sent")


# ---- runs of numbered messages: the last frame is the number, eight octets, big-endian


@command
def send_numbers(socket, envelope, first, count, limit):
    made = SOCKETS[socket]
    envelope = [bytes.fromhex(frame) for frame in envelope]
    for number in range(first, first + count):
        put(made, envelope + [number.to_bytes(8, "big")], limit, f"number {number}")


@command
def recv_numbers(socket, first, count, limit):
    made = SOCKETS[socket]
    for number in range(first, first + count):
        frames = take(made, limit, f"number {number}")
        came = int.from_bytes(frames[-1], "big")
        if came != number:
            raise ValueError(f"awaited number {number}, came {came}")


# ---- until it is killed: numbered messages of three frames, the middle one a large body


def say(answer):
    print(json.dumps({"ok": True, **answer}, separators=(",", ":")), flush=True)


@command
def send_for_ever(socket, envelope, first, octets):
    made, middle = SOCKETS[socket], body(octets)
    envelope = [bytes.fromhex(frame) for frame in envelope]
    for number in itertools.count(first):
        ends = number.to_bytes(8, "big")
        put(made, envelope + [ends, middle, ends], 3_600_000, f"number {number}")


@command
def recv_for_ever(socket, octets):
    """Answers with the number of each message, as long as they are whole."""
    middle = body(octets)
    while True:
        frames = SOCKETS[socket].recv_multipart()[-3:]
        if frames[0] != frames[-1] or frames[1:-1] != [middle]:
            raise ValueError(f"half a message: frames of {[len(frame) for frame in frames]}")
        say({"number": int.from_bytes(frames[-1], "big")})


# ---- rounds: a message of each topic, with the number of the round; the last topic ends it


class Stream(threading.Thread):
    """Publishes round after round while the program takes commands, and keeps what an XPUB is
    told meanwhile. It owns its socket until it has stopped."""

    def __init__(self, made, topics, octets):
        super().__init__(daemon=True)
        self.made, self.topics, self.octets = made, topics, octets
        self.told = []
        self.stopped = threading.Event()
        made.sndtimeo = 50

    def run(self):
        number = 0
        while not self.stopped.is_set():
            body = number.to_bytes(8, "big").ljust(self.octets, b"\0")
            for topic in self.topics:
                while not self.publish(topic, body):
                    if self.stopped.is_set():
                        break
            number += 1
            while self.made.type == zmq.XPUB and self.made.poll(0):
                self.told.append(self.made.recv())

    def publish(self, topic, body):
        """False if there was no room for a while; the subscriber may have enough."""
        try:
            self.made.send_multipart([topic, body])
            return True
        except zmq.Again:
            return False


@command
def begin_rounds(socket, topics, octets):
    topics = [bytes.fromhex(topic) for topic in topics]
    STREAMS[socket] = Stream(SOCKETS[socket], topics, octets)
    STREAMS[socket].start()


@command
def end_rounds(socket):
    """Says what an XPUB was told."""
    stream = STREAMS.pop(socket)
    stream.stopped.set()
    stream.join()
    return {"frames": [told.hex() for told in stream.told]}


LAST_ROUND = {}


@command
def recv_rounds(socket, last_topic, marker, always, ever, wanted, exact, limit):
    """Receives rounds until `exact` of them have had the marker. Those must have just the wanted
    topics. Every round must have those that are `always` there, may have those that `ever` are,
    and no round may be missing."""
    made = SOCKETS[socket]
    last_topic, marker = bytes.fromhex(last_topic), bytes.fromhex(marker)
    always, ever, wanted = [[bytes.fromhex(t) for t in ts] for ts in (always, ever, wanted)]
    until, right, topics = time.monotonic() + limit / 1000, 0, []
    while right < exact:
        if time.monotonic() > until:
            raise TimeoutError(f"no round with {marker}, last {topics}")
        topics, numbers = [], set()
        while not topics or topics[-1] != last_topic:
            topic, number = take(made, limit, "a topic")
            topics.append(topic)
            numbers.add(int.from_bytes(number[:8], "big"))
        last = LAST_ROUND.get(socket)
        if len(numbers) != 1 or (last is not None and numbers != {last + 1}):
            raise ValueError(f"after round {last} came {topics} of {numbers}")
        (LAST_ROUND[socket],) = numbers
        if not set(always) <= set(topics) <= set(ever):
            raise ValueError(f"always {always}, ever {ever}, but came {topics}")
        if marker in topics or right:
            right += 1
            if topics != wanted:
                raise ValueError(f"wanted {wanted}, but {right} rounds later came {topics}")


# ---- the program


def lines():
    """The lines of stdin. While it waits for them, it lets the sockets see to what happens to them:
    libzmq leaves that to the next call that uses the socket, such as the one for `events`."""
    rest = b""
    while True:
        idle = {made.fd: made for name, made in SOCKETS.items() if name not in STREAMS}
        ready, _, _ = select.select([0, *idle], [], [])
        for descriptor in ready:
            if descriptor in idle:
                idle[descriptor].events
        if 0 in ready:
            octets = os.read(0, 65536)
            if not octets:
                return
            *whole, rest = (rest + octets).split(b"\n")
            yield from whole


def main():
    for line in lines():
        arguments = json.loads(line)
        name = arguments.pop("do")
        try:
            answer = {"ok": True, **(COMMANDS[name](**arguments) or {})}
        except Exception as error:  # whatever it is, the test shall see it
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}".replace('"', "'")}
        print(json.dumps(answer, separators=(",", ":")), flush=True)
    CONTEXT.destroy(linger=0)


main()
