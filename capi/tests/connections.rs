//! What C programs learn of connections: whom a STREAM reached, by which descriptor a part came,
//! through which proxy to go.

mod common;

use std::{
    ffi::c_int,
    io::{Read, Write},
    mem::MaybeUninit,
    net::{TcpListener, TcpStream},
    ptr,
    time::Duration,
};

use common::*;
use zmq::*;

const ROUTING_ID: c_int = 5;
const SOCKS_PROXY: c_int = 68;
const STREAM_NOTIFY: c_int = 73;

const SRCFD: c_int = 2;

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
    let mut stage = Stage::new();
    let stream = stage.socket(STREAM);
    let at = format!("tcp://{}", listener.local_addr().expect("it"));
    assert_eq!(connect(stream, &at), 0);
    let whom = octets(stream, ROUTING_ID, 256).expect("a name");
    assert_eq!((whom.len(), whom[0]), (5, 0));
    // Each second part is whole, whatever is said to follow.
    for octets in ["one", "two"] {
        assert_eq!(send(stream, &whom, SNDMORE), 5);
        assert_eq!(send(stream, octets, SNDMORE), 3);
    }
    let (mut peer, _) = listener.accept().expect("it comes");
    assert_eq!(heard(&mut peer, 6), b"onetwo");
    peer.write_all(b"three").expect("to write");
    assert_eq!(parts(stream), [&whom[..], b""], "it was connected");
    assert_eq!(parts(stream), [&whom[..], b"three"]);
    // Nothing at all ends it, more or no more.
    assert_eq!(send(stream, &whom, SNDMORE), 5);
    assert_eq!(send(stream, "", SNDMORE), 0);
    assert_eq!(peer.read(&mut [0; 8]).expect("the end"), 0);
}

#[test]
fn a_part_says_by_which_descriptor_it_came() {
    let mut stage = Stage::new();
    let [pull, push] = stage.pair([PULL, PUSH], "tcp://127.0.0.1:*");
    let at = text(pull, LAST_ENDPOINT);
    assert_eq!(send(push, "part", 0), 4);
    let mut part = part();
    // SAFETY: a part and a handle of ours, and a place for an address.
    unsafe {
        // It came from nowhere.
        failed(zmq_msg_get(&*part, SRCFD), libc::EINVAL);
        assert_eq!(zmq_msg_recv(&mut *part, pull, 0), 4);
        let descriptor = zmq_msg_get(&*part, SRCFD);
        assert!(descriptor > 2, "{descriptor}");
        let mut address = MaybeUninit::<libc::sockaddr_in>::zeroed();
        let mut len = libc::socklen_t::try_from(size_of::<libc::sockaddr_in>()).expect("small");
        let named = libc::getsockname(descriptor, address.as_mut_ptr().cast(), &mut len);
        assert_eq!(named, 0, "it is a socket's");
        let port = u16::from_be(address.assume_init().sin_port);
        assert!(at.ends_with(&format!(":{port}")), "{at}, not {port}");
        assert_eq!(zmq_msg_close(&mut *part), 0);
    }
}

#[test]
fn no_proxy_is_said_by_null_and_not_by_nothing() {
    let mut stage = Stage::new();
    let pull = stage.socket(PULL);
    let said = |option, text: *const u8, size| {
        // SAFETY: a handle of ours, and NULL or so many octets.
        unsafe { zmq_setsockopt(pull, option, text.cast(), size) }
    };
    let proxy = b"127.0.0.1:1080";
    for (value, len, answer, left) in [
        (proxy.as_ptr(), 14, 0, "127.0.0.1:1080"),
        (proxy.as_ptr(), 0, -1, "127.0.0.1:1080"),
        (ptr::null(), 0, 0, ""),
        (
            b"127.0.0.1:0;proxy:1080".as_ptr(),
            22,
            0,
            "127.0.0.1:0;proxy:1080",
        ),
    ] {
        assert_eq!(said(SOCKS_PROXY, value, len), answer);
        assert_eq!(text(pull, SOCKS_PROXY), left);
    }
    assert_eq!(said(STREAM_NOTIFY, ptr::null(), 0), -1);
}
