//! What C programs learn of connections: whom a STREAM reached, by which descriptor a part came,
//! through which proxy to go.

use std::{
    ffi::{CString, c_int, c_void},
    io::{Read, Write},
    mem::MaybeUninit,
    net::{TcpListener, TcpStream},
    ptr,
    time::Duration,
};

use zmq::*;

const PULL: c_int = 7;
const PUSH: c_int = 8;
const STREAM: c_int = 11;

const ROUTING_ID: c_int = 5;
const LAST_ENDPOINT: c_int = 32;
const SOCKS_PROXY: c_int = 68;
const STREAM_NOTIFY: c_int = 73;

const SRCFD: c_int = 2;
const SNDMORE: c_int = 2;

/// A context and a socket of it. Closed in the end.
struct One {
    context: *mut c_void,
    socket: *mut c_void,
}

impl One {
    fn new(kind: c_int) -> One {
        let context = zmq_ctx_new();
        // SAFETY: the context is open.
        let socket = unsafe { zmq_socket(context, kind) };
        assert!(!socket.is_null());
        One { context, socket }
    }

    fn text(&self, option: c_int) -> Vec<u8> {
        let mut place = [0_u8; 256];
        let mut len = place.len();
        // SAFETY: a handle of ours, and room for so many octets.
        let rc =
            unsafe { zmq_getsockopt(self.socket, option, place.as_mut_ptr().cast(), &mut len) };
        assert_eq!(rc, 0);
        place[..len].to_vec()
    }

    fn set(&self, option: c_int, value: *const u8, len: usize) -> c_int {
        // SAFETY: a handle of ours, and octets that can be read.
        unsafe { zmq_setsockopt(self.socket, option, value.cast(), len) }
    }

    fn send(&self, octets: &[u8], flags: c_int) {
        // SAFETY: a handle of ours, and octets that can be read.
        let sent = unsafe { zmq_send(self.socket, octets.as_ptr().cast(), octets.len(), flags) };
        assert_eq!(usize::try_from(sent), Ok(octets.len()));
    }

    fn recv(&self) -> Vec<u8> {
        let mut place = [0_u8; 256];
        // SAFETY: a handle of ours, and room for so many octets.
        let len = unsafe { zmq_recv(self.socket, place.as_mut_ptr().cast(), place.len(), 0) };
        place[..usize::try_from(len).expect("a part")].to_vec()
    }

    fn connect(&self, to: &str) {
        let to = CString::new(to).expect("no zero in it");
        // SAFETY: a handle of ours, and a C string.
        assert_eq!(unsafe { zmq_connect(self.socket, to.as_ptr()) }, 0);
    }

    /// Binds to the loopback, and says where.
    fn bind(&self) -> String {
        // SAFETY: a handle of ours, and a C string.
        let bound = unsafe { zmq_bind(self.socket, c"tcp://127.0.0.1:*".as_ptr()) };
        assert_eq!(bound, 0);
        let mut at = self.text(LAST_ENDPOINT);
        assert_eq!(at.pop(), Some(0), "a C string");
        String::from_utf8(at).expect("text")
    }
}

impl Drop for One {
    fn drop(&mut self) {
        // SAFETY: handles of ours.
        unsafe {
            zmq_close(self.socket);
            zmq_ctx_term(self.context);
        }
    }
}

fn heard(stream: &mut TcpStream, octets: usize) -> Vec<u8> {
    let limit = Some(Duration::from_secs(30));
    stream.set_read_timeout(limit).expect("a timeout");
    let mut place = vec![0; octets];
    stream.read_exact(&mut place).expect("octets");
    place
}

#[test]
fn a_stream_is_sent_to_by_the_routing_id_it_has_after_connecting() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let stream = One::new(STREAM);
    stream.connect(&format!("tcp://{}", listener.local_addr().expect("it")));
    let whom = stream.text(ROUTING_ID);
    assert_eq!((whom.len(), whom[0]), (5, 0));
    // Each second part is whole, whatever is said to follow.
    for octets in [b"one", b"two"] {
        stream.send(&whom, SNDMORE);
        stream.send(octets, SNDMORE);
    }
    let (mut peer, _) = listener.accept().expect("it comes");
    assert_eq!(heard(&mut peer, 6), b"onetwo");
    peer.write_all(b"three").expect("to write");
    let (from, come) = (stream.recv(), stream.recv());
    assert_eq!((from, come), (whom.clone(), vec![]), "it was connected");
    assert_eq!(
        (stream.recv(), stream.recv()),
        (whom.clone(), b"three".to_vec())
    );
    // Nothing at all ends it, more or no more.
    stream.send(&whom, SNDMORE);
    stream.send(b"", SNDMORE);
    assert_eq!(peer.read(&mut [0; 8]).expect("the end"), 0);
}

#[test]
fn a_part_says_by_which_descriptor_it_came() {
    let (pull, push) = (One::new(PULL), One::new(PUSH));
    let at = pull.bind();
    push.connect(&at);
    push.send(b"part", 0);
    let mut part = MaybeUninit::<Part>::uninit();
    let part = part.as_mut_ptr();
    // SAFETY: a part and a handle of ours, and a place for an address.
    unsafe {
        assert_eq!(zmq_msg_init(part), 0);
        assert_eq!(zmq_msg_get(part, SRCFD), -1);
        assert_eq!(zmq_errno(), libc::EINVAL, "it came from nowhere");
        assert_eq!(zmq_msg_recv(part, pull.socket, 0), 4);
        let descriptor = zmq_msg_get(part, SRCFD);
        assert!(descriptor > 2, "{descriptor}");
        let mut address = MaybeUninit::<libc::sockaddr_in>::zeroed();
        let mut len = libc::socklen_t::try_from(size_of::<libc::sockaddr_in>()).expect("small");
        let named = libc::getsockname(descriptor, address.as_mut_ptr().cast(), &mut len);
        assert_eq!(named, 0, "it is a socket's");
        let port = u16::from_be(address.assume_init().sin_port);
        assert!(at.ends_with(&format!(":{port}")), "{at}, not {port}");
        assert_eq!(zmq_msg_close(part), 0);
    }
}

#[test]
fn no_proxy_is_said_by_null_and_not_by_nothing() {
    let pull = One::new(PULL);
    let proxy = b"127.0.0.1:1080";
    for (value, len, answer, left) in [
        (proxy.as_ptr(), 14, 0, &b"127.0.0.1:1080\0"[..]),
        (proxy.as_ptr(), 0, -1, b"127.0.0.1:1080\0"),
        (ptr::null(), 0, 0, b"\0"),
        (
            b"127.0.0.1:0;proxy:1080".as_ptr(),
            22,
            0,
            b"127.0.0.1:0;proxy:1080\0",
        ),
    ] {
        assert_eq!(pull.set(SOCKS_PROXY, value, len), answer);
        assert_eq!(pull.text(SOCKS_PROXY), left);
    }
    assert_eq!(pull.set(STREAM_NOTIFY, ptr::null(), 0), -1);
}
