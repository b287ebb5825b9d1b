//! Connections through a SOCKS5 proxy (RFC 1928), played by a thread: what we say to it, octet for
//! octet, and what comes of its answers.

mod common;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use common::{SOON, Started, within};
use hubless::{Builder, ErrorKind, EventKind, Pull, Push, Reconnect};

/// A proxy that is not there yet, and a PUSH that goes through it.
fn proxied() -> (TcpListener, Builder<Push>) {
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = proxy.local_addr().expect("its address").to_string();
    let soon = Reconnect::Backoff {
        min: Duration::from_millis(1),
        max: Duration::from_millis(5),
    };
    (proxy, Push::builder().socks_proxy(at).reconnect(soon))
}

fn accept(proxy: &TcpListener) -> TcpStream {
    let (stream, _) = proxy.accept().expect("it comes");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    stream
}

/// They say this, and nothing else before they are answered.
fn hear(stream: &mut TcpStream, expected: &[u8]) {
    let mut heard = vec![0; expected.len()];
    stream.read_exact(&mut heard).expect("they speak");
    assert_eq!(
        heard.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
}

/// Octets in pieces of one: whoever reads them must wait for the rest.
fn drip(stream: &mut TcpStream, octets: &[u8]) {
    stream.set_nodelay(true).expect("tcp");
    for octet in octets {
        stream.write_all(&[*octet]).expect("to write");
    }
}

/// Carries octets both ways until both sides have ended.
fn carry(near: &TcpStream, far: &TcpStream) {
    let copy = |from: &TcpStream, to: &TcpStream| {
        let (mut from, mut to) = (from.try_clone().expect("one"), to.try_clone().expect("one"));
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        })
    };
    let ways = [copy(near, far), copy(far, near)];
    for way in ways {
        way.join().expect("no panic");
    }
}

#[test]
fn a_name_is_the_proxys_to_resolve() {
    let pull = Pull::new().expect("a PULL");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind").to_string();
    let (proxy, builder) = proxied();
    let push = builder.build().expect("a PUSH");
    push.connect("tcp://no.such.host.example:7000")
        .expect("to begin");
    let played = Started::new(move || {
        let mut near = accept(&proxy);
        hear(&mut near, b"\x05\x01\x00");
        drip(&mut near, b"\x05\x00");
        hear(
            &mut near,
            b"\x05\x01\x00\x03\x14no.such.host.example\x1b\x58",
        );
        drip(&mut near, b"\x05\x00\x00\x03\x04name\x00\x07");
        let far = TcpStream::connect(&at["tcp://".len()..]).expect("it is bound");
        carry(&near, &far);
    });
    push.send("through").expect("to send");
    assert_eq!(pull.recv_timeout(SOON).expect("it comes")[0], "through");
    let remote = push.peers()[0]
        .info
        .clone()
        .expect("somebody")
        .remote
        .clone();
    assert_eq!(remote, "tcp://no.such.host.example:7000");
    push.close(SOON).expect("to close");
    pull.close(SOON).expect("to close");
    played.join("the proxy has ended");
}

#[test]
fn a_proxy_may_be_connected_to_from_an_address_of_choice() {
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = proxy.local_addr().expect("its address");
    for source in ["127.0.0.3:0;", "127.0.0.3:*;"] {
        let push = Push::builder().socks_proxy(format!("{source}{at}"));
        let push = push.build().expect("a PUSH");
        // What the endpoint says is about the way without a proxy.
        push.connect("tcp://127.0.0.1:0;192.0.2.7:9")
            .expect("to begin");
        let mut near = accept(&proxy);
        hear(&mut near, b"\x05\x01\x00");
        near.write_all(b"\x05\x00").expect("to write");
        hear(&mut near, b"\x05\x01\x00\x01\xc0\x00\x02\x07\x00\x09");
        let from = near.peer_addr().expect("its address").ip();
        assert_eq!(from.to_string(), "127.0.0.3");
    }
}

#[test]
fn a_proxy_may_ask_for_a_login() {
    let (proxy, builder) = proxied();
    let push = builder
        .option("SOCKS_USERNAME", "joe")
        .and_then(|builder| builder.option("SOCKS_PASSWORD", "sesame"))
        .and_then(|builder| builder.build())
        .expect("a PUSH");
    push.connect("tcp://[2001:db8::1]:258").expect("to begin");
    within("the proxy hears it", move || {
        for refusals in 0..3 {
            let mut near = accept(&proxy);
            hear(&mut near, b"\x05\x02\x00\x02");
            match refusals {
                0 => near.write_all(b"\x05\xff").expect("to write"),
                _ => near.write_all(b"\x05\x02").expect("to write"),
            }
            if refusals == 0 {
                continue;
            }
            hear(&mut near, b"\x01\x03joe\x06sesame");
            if refusals == 1 {
                near.write_all(b"\x01\x01").expect("to write");
                continue;
            }
            near.write_all(b"\x01\x00").expect("to write");
            let mut request = b"\x05\x01\x00\x04".to_vec();
            request.extend(
                "2001:db8::1"
                    .parse::<std::net::Ipv6Addr>()
                    .expect("one")
                    .octets(),
            );
            hear(&mut near, &[&request[..], b"\x01\x02"].concat());
        }
    });
}

#[test]
fn what_the_proxy_says_is_why_it_failed() {
    let (proxy, builder) = proxied();
    let push = builder.build().expect("a PUSH");
    let events = push.monitor();
    push.connect("tcp://192.0.2.7:9").expect("to begin");
    let answers: [(&[u8], std::io::ErrorKind); 5] = [
        (
            b"\x05\x05\x00\x01\0\0\0\0\0\0",
            std::io::ErrorKind::ConnectionRefused,
        ),
        (
            b"\x05\x04\x00\x01\0\0\0\0\0\0",
            std::io::ErrorKind::HostUnreachable,
        ),
        (b"\x05\x00\x00\x09", std::io::ErrorKind::InvalidData),
        (b"\x05", std::io::ErrorKind::UnexpectedEof),
        (b"HTTP/1.0 400", std::io::ErrorKind::InvalidData),
    ];
    for (answer, expected) in answers {
        let mut near = accept(&proxy);
        hear(&mut near, b"\x05\x01\x00");
        near.write_all(b"\x05\x00").expect("to write");
        hear(&mut near, b"\x05\x01\x00\x01\xc0\x00\x02\x07\x00\x09");
        near.write_all(answer).expect("to write");
        drop(near);
        let error = loop {
            match events.recv_timeout(SOON).expect("an event").kind {
                EventKind::ConnectFailed(error) => break error,
                EventKind::Connected => panic!("it is not"),
                _ => {}
            }
        };
        assert_eq!(error.kind(), expected, "{}: {error}", answer.escape_ascii());
    }
}

#[test]
fn a_proxy_has_a_host_and_a_port() {
    for wrong in [
        "proxy", "proxy:*", "*:1080", "proxy:0", "a b:1080", "a:1;b:0",
    ] {
        let built = Push::builder().socks_proxy(wrong).build();
        let error = built.map(drop).expect_err(wrong);
        assert_eq!(error.kind(), ErrorKind::InvalidOption, "{wrong}");
        // Said by number, it is judged when it is to be used, and nobody is connected past it.
        let push = Push::new().expect("a PUSH");
        push.set_option("SOCKS_PROXY", wrong).expect("it is kept");
        let error = push.connect("tcp://127.0.0.1:9").expect_err(wrong);
        assert_eq!(error.kind(), ErrorKind::InvalidOption, "{wrong}");
        push.connect("inproc://no-proxy-needed").expect(wrong);
    }
}
