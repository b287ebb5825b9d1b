//! Raw peers by the thousand, in a process of their own: just enough of ZMTP 3.0 (RFC 23).
//!
//! The crowd connects, says `ready` and waits for a line; then it does what its kind does, until the
//! other side is gone.

use std::{
    env,
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdin, Command, Stdio},
};

use hubless::Endpoint;
use mio::{Events, Interest, Poll, Token};

use crate::Outcome;

/// Messages that a peer of kind `push` sends when it is its turn.
pub const LOT: usize = 16;

/// A crowd, seen from the side that measures. It goes home when this is dropped.
pub struct Crowd {
    process: Child,
    words: ChildStdin,
}

impl Crowd {
    /// `count` peers of a kind, connected and greeted.
    pub fn call(kind: &str, at: &Endpoint, count: usize) -> Outcome<Crowd> {
        let mut process = Command::new(env::current_exe()?)
            .args(["crowd", kind, &at.to_string(), &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let words = process.stdin.take().ok_or("no stdin")?;
        let mut heard = BufReader::new(process.stdout.take().ok_or("no stdout")?);
        let crowd = Crowd { process, words };
        let mut line = String::new();
        heard.read_line(&mut line)?;
        match line.trim() {
            "ready" => Ok(crowd),
            _ => Err("the crowd did not get ready".into()),
        }
    }

    /// Lets those that send begin.
    pub fn go(&mut self) -> Outcome {
        Ok(writeln!(self.words, "go")?)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // It may have gone by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Is the crowd.
pub fn join(kind: &str, at: &str, count: usize) -> Outcome {
    let at = at.strip_prefix("tcp://").ok_or("tcp only")?;
    let own = match kind {
        "idle" | "push" => "PUSH",
        "pull" => "PULL",
        "sub" => "SUB",
        _ => return Err("no such kind".into()),
    };
    let mut peers = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(at)?;
        stream.set_nodelay(true)?;
        greet(&mut stream, own)?;
        if kind == "sub" {
            stream.write_all(&[0, 1, 1])?;
        }
        peers.push(stream);
    }
    println!("ready");
    match kind {
        "push" => {
            io::stdin().read_line(&mut String::new())?;
            send_in_turns(&mut peers)
        }
        "idle" => {
            io::stdin().read_to_end(&mut Vec::new())?;
            Ok(())
        }
        _ => take_all(peers),
    }
}

fn greet(stream: &mut TcpStream, own: &str) -> io::Result<()> {
    let mut hello = [0; 64];
    (hello[0], hello[9], hello[10]) = (0xff, 0x7f, 3);
    hello[12..16].copy_from_slice(b"NULL");
    stream.write_all(&hello)?;
    stream.read_exact(&mut hello)?;
    let mut ready = b"\x05READY\x0bSocket-Type\0\0\0".to_vec();
    ready.push(own.len() as u8);
    ready.extend(own.bytes());
    ready.splice(0..0, [4, ready.len() as u8]);
    stream.write_all(&ready)?;
    let mut header = [0; 2];
    stream.read_exact(&mut header)?;
    stream.read_exact(&mut vec![0; header[1].into()])
}

fn send_in_turns(peers: &mut [TcpStream]) -> Outcome {
    let mut lot = Vec::new();
    for _ in 0..LOT {
        lot.extend([0, 64]);
        lot.extend([b'x'; 64]);
    }
    loop {
        for peer in &mut *peers {
            // The end: whom we send to has gone.
            if peer.write_all(&lot).is_err() {
                return Ok(());
            }
        }
    }
}

fn take_all(peers: Vec<TcpStream>) -> Outcome {
    let mut poll = Poll::new()?;
    let mut streams = Vec::new();
    for (index, peer) in peers.into_iter().enumerate() {
        peer.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(peer);
        poll.registry()
            .register(&mut stream, Token(index), Interest::READABLE)?;
        streams.push(stream);
    }
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            let stream = &mut streams[event.token().0];
            loop {
                match stream.read(&mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => return Ok(()),
                }
            }
        }
    }
}
