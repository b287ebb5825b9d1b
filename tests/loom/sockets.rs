//! Whole sockets: who waits, who drives, who wakes whom. See `src/core/lease.rs`.
//!
//! The sockets are the library's own, on a kernel that loom walks. What nobody is woken for shows
//! as a deadlock: loom finds all threads asleep.

use std::{
    sync::Arc as StdArc,
    task::{Poll, Wake, Waker},
};

use hubless::{
    Endpoint, ErrorKind, Interest, SocketType,
    internals::{
        base::{
            context_options::ContextOptions,
            options::{Linger, Options},
        },
        core::{Context, Place, Signal, Socket, To},
        reactor::{Reactor, metal::SourceId},
    },
};
use loom::{sync::Notify, thread};

use super::{kernel::Kernel, model_of};

/// A socket of raw octets with one connection, and the reactor that nobody turns yet.
struct Scene {
    kernel: Kernel,
    socket: StdArc<Socket>,
    stream: SourceId,
    reactor: Reactor,
}

impl Scene {
    fn new() -> Scene {
        let kernel = Kernel::new();
        let socket = bare(&kernel, SocketType::Stream);
        bind(&socket, 1);
        let mut reactor = kernel.take_reactor();
        let stream = kernel.connect();
        reactor.turn(Some(std::time::Duration::ZERO));
        Scene {
            kernel,
            socket,
            stream,
            reactor,
        }
    }
}

/// A socket without any endpoint.
fn bare(kernel: &Kernel, socket_type: SocketType) -> StdArc<Socket> {
    let context = Context::new(StdArc::new(kernel.clone()), ContextOptions::default());
    let options = Options {
        stream_notify: false,
        ..Options::default()
    };
    Socket::new(&context, socket_type, options).unwrap()
}

/// Receives, waiting for it.
fn receive(socket: &Socket) -> Result<u8, ErrorKind> {
    let mut place = Place::default();
    let received = socket.block_on(None, true, |waker| socket.poll_recv(&mut place, waker));
    socket.leave_recv(&mut place);
    let message = received?.unwrap().message;
    Ok(message[message.len() - 1][0])
}

/// Turns the reactor until the kernel says that it is over.
fn turn(kernel: &Kernel, mut reactor: Reactor) -> Reactor {
    while !kernel.is_over() {
        reactor.turn(None);
    }
    reactor
}

/// Closes the socket, so that nothing of this walk is left for the next.
fn close(socket: &Socket, mut reactor: Reactor) {
    socket.close(Linger::Drop);
    let mut place = Place::default();
    while socket.poll_closed(&mut place, Waker::noop()).is_pending() {
        reactor.turn(Some(std::time::Duration::ZERO));
    }
}

/// A waker of who does not wait in a call of ours.
struct Knock(Notify);

impl Wake for Knock {
    fn wake(self: StdArc<Knock>) {
        self.0.notify();
    }
}

/// Receives as a future does: somebody else must drive.
fn receive_idly(socket: &Socket) -> u8 {
    let knock = StdArc::new(Knock(Notify::new()));
    let waker = Waker::from(StdArc::clone(&knock));
    let mut place = Place::default();
    loop {
        if let Poll::Ready(received) = socket.poll_recv(&mut place, &waker) {
            let message = received.unwrap().message;
            return message[message.len() - 1][0];
        }
        knock.0.wait();
    }
}

#[test]
fn a_call_that_waits_is_ended_by_an_interrupt() {
    model_of(3, || {
        let socket = bare(&Kernel::new(), SocketType::Pull);
        let other = thread::spawn({
            let socket = StdArc::clone(&socket);
            move || socket.interrupt()
        });
        assert_eq!(receive(&socket), Err(ErrorKind::Interrupted));
        other.join().unwrap();
        socket.close(Linger::Drop);
    });
}

/// One waits for a second peer, another one for a message: whoever comes first drives, and the other
/// one sleeps. Who has what he waited for leaves driving to him.
#[test]
fn who_goes_leaves_driving_to_one_that_sleeps() {
    model_of(2, || {
        let Scene {
            kernel,
            socket,
            stream,
            reactor,
        } = Scene::new();
        let other = thread::spawn({
            let socket = StdArc::clone(&socket);
            move || receive(&socket)
        });
        let peer = thread::spawn({
            let kernel = kernel.clone();
            move || {
                kernel.connect();
                kernel.deliver(stream, 1);
            }
        });
        let mut place = Place::default();
        let both = socket.block_on(None, false, |waker| {
            socket.poll_peers(&mut place, waker, |ready, _| ready == 2)
        });
        both.unwrap().unwrap();
        assert_eq!(other.join().unwrap(), Ok(1));
        peer.join().unwrap();
        close(&socket, reactor);
    });
}

/// Who has waited and goes on to other things leaves the set with its lease, and whoever waits
/// without a call of ours has it driven by the reactor: which takes it back, also if it has stopped
/// looking.
#[test]
fn a_lease_that_nobody_uses_goes_back_to_the_reactor() {
    model_of(1, || {
        let Scene {
            kernel,
            socket,
            stream,
            reactor,
        } = Scene::new();
        let turning = thread::spawn({
            let kernel = kernel.clone();
            move || turn(&kernel, reactor)
        });
        let peer = thread::spawn({
            let kernel = kernel.clone();
            move || kernel.deliver(stream, 1)
        });
        assert_eq!(receive(&socket), Ok(1));
        kernel.deliver(stream, 2);
        assert_eq!(receive_idly(&socket), 2);
        peer.join().unwrap();
        kernel.end();
        close(&socket, turning.join().unwrap());
    });
}

/// Somebody watches while another one waits under a lease. When that one has its message, the
/// reactor has the set, and the watcher hears of the next.
#[test]
fn who_watches_hears_of_what_comes_after_a_lease() {
    model_of(1, || {
        let Scene {
            kernel,
            socket,
            stream,
            reactor,
        } = Scene::new();
        let turning = thread::spawn({
            let kernel = kernel.clone();
            move || turn(&kernel, reactor)
        });
        kernel.deliver(stream, 1);
        let watching = thread::spawn({
            let (kernel, socket) = (kernel.clone(), StdArc::clone(&socket));
            move || {
                let knock = StdArc::new(Knock(Notify::new()));
                let watch = socket.watch(Waker::from(StdArc::clone(&knock)), false);
                kernel.deliver(stream, 2);
                while !socket.look(watch, Interest::READABLE).is_ready() {
                    knock.0.wait();
                }
                socket.unwatch(watch);
            }
        });
        receive(&socket).unwrap();
        watching.join().unwrap();
        kernel.end();
        close(&socket, turning.join().unwrap());
    });
}

fn bind(socket: &Socket, port: u16) {
    let endpoint: Endpoint = format!("tcp://127.0.0.1:{port}").parse().unwrap();
    socket.bind(&endpoint).unwrap();
}

/// Two hand in jobs at a time: who finds the set taken leaves a mark, and goes.
#[test]
fn what_two_ask_of_a_set_is_done_for_both() {
    model_of(3, || {
        let Scene {
            kernel,
            socket,
            reactor,
            ..
        } = Scene::new();
        let other = thread::spawn({
            let socket = StdArc::clone(&socket);
            move || bind(&socket, 2)
        });
        bind(&socket, 3);
        other.join().unwrap();
        assert_eq!(kernel.listening(), 3, "the first, and these two");
        close(&socket, reactor);
    });
}

/// A job is handed in while somebody waits, whose wait ends at that moment.
#[test]
fn what_is_asked_of_who_waits_is_done_before_he_goes() {
    model_of(2, || {
        let Scene {
            kernel,
            socket,
            reactor,
            ..
        } = Scene::new();
        let asking = thread::spawn({
            let socket = StdArc::clone(&socket);
            move || bind(&socket, 2)
        });
        let ending = thread::spawn({
            let socket = StdArc::clone(&socket);
            move || socket.interrupt()
        });
        assert_eq!(receive(&socket), Err(ErrorKind::Interrupted));
        asking.join().unwrap();
        ending.join().unwrap();
        assert_eq!(kernel.listening(), 2, "the first, and this one");
        close(&socket, reactor);
    });
}

/// A message comes while another is taken: in the end the descriptor shows what is true.
#[test]
fn a_descriptor_shows_what_is_true_in_the_end() {
    model_of(2, || {
        let kernel = Kernel::new();
        let pull = bare(&kernel, SocketType::Pull);
        let push = Socket::new(pull.context(), SocketType::Push, Options::default()).unwrap();
        let endpoint: Endpoint = "inproc://loom".parse().unwrap();
        pull.bind(&endpoint).unwrap();
        push.connect(&endpoint).unwrap();
        push.try_send(To::Anyone, "first".into()).unwrap();
        let (signal, _descriptor) = Signal::new(&pull).unwrap();
        assert!(kernel.is_raised(SIGNAL), "the first is there");
        let other = thread::spawn({
            let push = StdArc::clone(&push);
            move || push.try_send(To::Anyone, "second".into()).unwrap()
        });
        let mut place = Place::default();
        let received = pull.poll_recv(&mut place, Waker::noop());
        assert!(received.is_ready());
        other.join().unwrap();
        assert!(kernel.is_raised(SIGNAL), "the second is there");
        let received = pull.poll_recv(&mut place, Waker::noop());
        assert!(received.is_ready());
        assert!(!kernel.is_raised(SIGNAL), "nothing is left");
        signal.end();
        push.close(Linger::Drop);
        pull.close(Linger::Drop);
    });
}

/// The signal's selector, the kernel's first.
const SIGNAL: SourceId = 1;
