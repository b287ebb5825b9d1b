//! STREAM with programs that know nothing of us: curl, which speaks HTTP, and libzmq's STREAM.

mod interop;

use std::{
    io::Write,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use hubless::{Linger, PeerId, Stream};
use interop::{LIMIT, Peer, Theirs, hex, sides::Side};

const ANYWHERE: &str = "tcp://127.0.0.1:0";

/// A server of HTTP/1.1, as small as one can be: it says back what it was sent.
fn serve(stream: &Stream, requests: usize) {
    let mut open: Vec<(PeerId, Vec<u8>)> = Vec::new();
    let mut answered = 0;
    while answered < requests {
        let (who, piece) = stream.recv_from_timeout(LIMIT).expect("a request");
        let at = open.iter().position(|(other, _)| *other == who);
        let Some(at) = at else {
            assert!(piece[0].is_empty(), "first it comes");
            open.push((who, Vec::new()));
            continue;
        };
        if piece[0].is_empty() {
            open.swap_remove(at);
            continue;
        }
        let said = &mut open[at].1;
        said.extend_from_slice(&piece[0]);
        let Some(body) = body(said) else { continue };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Type: text/plain\r\n\r\n",
            body.len()
        );
        stream.send_to(&who, [head.as_bytes(), body]).expect("room");
        if body.is_empty() {
            stream.hang_up(&who).expect("it is there");
        }
        said.clear();
        answered += 1;
    }
}

/// The body of a request, once all of it is here.
fn body(request: &[u8]) -> Option<&[u8]> {
    let end = request.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head.split("content-length: ").nth(1);
    let length = length.map_or(0, |it| {
        it.lines().next().expect("a line").parse().expect("it")
    });
    request[end..].get(..length)
}

fn curl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut curl = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--fail",
            "--max-time",
            "30",
            "--noproxy",
            "*",
        ])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl is installed");
    let mut stdin = curl.stdin.take().expect("piped");
    let input = input.to_vec();
    let feeding = thread::spawn(move || stdin.write_all(&input));
    let output = curl.wait_with_output().expect("it ends");
    feeding.join().expect("no panic").expect("it reads");
    assert!(output.status.success(), "{arguments:?}: {}", output.status);
    output.stdout
}

#[test]
fn curl_is_answered() {
    let stream = Stream::builder().linger(Linger::Forever).build();
    let stream = stream.expect("a STREAM");
    let at = stream.bind(ANYWHERE).expect("to bind").to_string();
    let url = at.replace("tcp://", "http://");
    let serving = thread::spawn(move || serve(&stream, 5));
    assert_eq!(curl(&[&url], b""), b"");
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7) as u8).collect();
    let post = ["--data-binary", "@-", "--header", "Expect:", &url];
    assert_eq!(curl(&post, b"hello"), b"hello");
    assert!(curl(&post, &large) == large);
    // Two requests over one connection.
    let twice = ["--data-binary", "again", &url, &url];
    assert_eq!(curl(&twice, b""), b"againagain");
    serving.join().expect("it serves");
}

/// Octets that libzmq's STREAM receives, and from whom.
fn expect_octets(theirs: &Theirs<'_>, who: &[u8], octets: &[u8]) {
    let mut all = Vec::new();
    while all.len() < octets.len() {
        let frames = theirs
            .ask_within_limit("recv", "")
            .frames()
            .expect("a message");
        assert_eq!((frames.len(), &frames[0][..]), (2, who));
        all.extend_from_slice(&frames[1]);
    }
    assert!(all == octets);
}

/// Somebody has come to libzmq's STREAM, or gone from it.
fn turn_up(theirs: &Theirs<'_>) -> Vec<u8> {
    let mut frames = theirs
        .ask_within_limit("recv", "")
        .frames()
        .expect("a message");
    assert_eq!((frames.len(), frames[1].len()), (2, 0));
    frames.swap_remove(0)
}

fn our_turn_up(stream: &Stream) -> PeerId {
    let (who, nothing) = stream.recv_from_timeout(LIMIT).expect("a message");
    assert_eq!((nothing.len(), nothing.octets()), (1, 0));
    who
}

fn our_octets(stream: &Stream, who: &PeerId, octets: &[u8]) {
    let mut all = Vec::new();
    while all.len() < octets.len() {
        let (from, piece) = stream.recv_from_timeout(LIMIT).expect("octets");
        assert_eq!(from, *who);
        all.extend_from_slice(&piece[0]);
    }
    assert!(all == octets);
}

/// The same scene with either side bound: who comes, what is said, who hangs up.
#[test]
fn libzmqs_stream_does_what_ours_does() {
    let large = vec![7; 100_000];
    for ours_binds in [true, false] {
        for ours_ends in [true, false] {
            let peer = Peer::start();
            let theirs = peer.socket("STREAM", &[("LINGER", "-1")]);
            let stream = Stream::builder()
                .reconnect(hubless::Reconnect::Never)
                .build();
            let stream = stream.expect("a STREAM");
            if ours_binds {
                theirs.connect(&stream.bind(ANYWHERE).expect("to bind").to_string());
            } else {
                let at = theirs.bind(ANYWHERE);
                stream.connect_as(&at[..], "zmq").expect("to connect");
            }
            let (our_name, their_name) = (our_turn_up(&stream), turn_up(&theirs));
            assert_eq!(our_name == "zmq", !ours_binds);
            assert_eq!((their_name.len(), their_name[0]), (5, 0));
            stream.send_to(&our_name, "hello").expect("room");
            expect_octets(&theirs, &their_name, b"hello");
            stream.send_to(&our_name, &large[..]).expect("room");
            expect_octets(&theirs, &their_name, &large);
            Side::send(&theirs, &[&their_name, &large]);
            our_octets(&stream, &our_name, &large);
            if ours_ends {
                stream.send_to(&our_name, "bye").expect("room");
                stream.hang_up(&our_name).expect("it is there");
                expect_octets(&theirs, &their_name, b"bye");
                assert_eq!(turn_up(&theirs), their_name);
            } else {
                Side::send(&theirs, &[&their_name, b"bye"]);
                Side::send(&theirs, &[&their_name, b""]);
                our_octets(&stream, &our_name, b"bye");
                assert_eq!(our_turn_up(&stream), our_name);
            }
        }
    }
}

/// What a DEALER of libzmq's says to somebody who does not answer: the beginning of its greeting.
#[test]
fn a_greeting_is_octets_like_others() {
    let peer = Peer::start();
    let stream = Stream::new().expect("a STREAM");
    let at = stream.bind(ANYWHERE).expect("to bind").to_string();
    let dealer = peer.socket("DEALER", &[("ROUTING_ID", &hex(b"ann"))]);
    dealer.connect(&at);
    let who = our_turn_up(&stream);
    our_octets(&stream, &who, &[0xff, 0, 0, 0, 0, 0, 0, 0, 4, 0x7f]);
    // Nobody who speaks ZMTP is made unhappy for longer than a connection.
    stream.hang_up(&who).expect("it is there");
    let again = stream.recv_from_timeout(Duration::from_secs(10));
    assert!(again.is_ok(), "it comes back");
}
