//! Peers made by hand: octets over TCP or a Unix socket, written and read as they are.
//!
//! Shared by the tests that attack whole sockets. Every read is bounded by [`SOON`], which a good
//! run never uses up: a test that waits for something that does not come fails instead of hanging.

// Each test program uses its own part of this.
#![allow(dead_code)]

pub mod memory;
pub mod stand;
pub mod streams;

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    time::Duration,
};

use hubless::{Endpoint, SocketType};

/// Longer than anything takes, even on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

/// The signature that every greeting of ours begins with, having no routing id.
pub const SIGNATURE: &[u8] = b"\xff\0\0\0\0\0\0\0\x01\x7f";

/// READY of a peer of that type, without an Identity.
pub fn ready(name: &str) -> Vec<u8> {
    ready_with(&[("Socket-Type", name.as_bytes())])
}

/// READY with these properties.
pub fn ready_with(properties: &[(&str, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for (name, value) in properties {
        data.push(name.len() as u8);
        data.extend(name.bytes());
        data.extend((value.len() as u32).to_be_bytes());
        data.extend(*value);
    }
    command("READY", &data)
}

/// A command, in the shortest form.
pub fn command(name: &str, data: &[u8]) -> Vec<u8> {
    let mut body = vec![name.len() as u8];
    body.extend(name.bytes());
    body.extend(data);
    frame(4, &body)
}

/// A frame with these flags, LONG added where it must be.
pub fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut octets = match u8::try_from(body.len()) {
        Ok(size) => vec![flags, size],
        Err(_) => header(flags, body.len() as u64),
    };
    octets.extend(body);
    octets
}

/// The header of a long frame, whatever its size.
pub fn header(flags: u8, size: u64) -> Vec<u8> {
    let mut octets = vec![flags | 2];
    octets.extend(size.to_be_bytes());
    octets
}

/// A greeting of ZMTP 3.1, mechanism NULL.
pub fn greeting() -> Vec<u8> {
    let mut octets = b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x01NULL".to_vec();
    octets.resize(64, 0);
    octets
}

/// What a socket of ours says until its handshake is done: greeting and READY.
pub fn our_words(ours: SocketType) -> Vec<u8> {
    let mut octets = greeting();
    octets[8] = 1;
    let named = [SocketType::Req, SocketType::Dealer, SocketType::Router].contains(&ours);
    let name = ("Socket-Type", ours.name().as_bytes());
    octets.extend(match named {
        true => ready_with(&[name, ("Identity", b"")]),
        false => ready_with(&[name]),
    });
    octets
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// One end of a connection, without any protocol of its own.
pub struct Peer {
    stream: Stream,
    /// What the socket's events call it: its address; over a Unix socket, the socket's own.
    pub name: String,
}

impl Peer {
    /// Connects to where a socket is bound.
    pub fn connect(at: &Endpoint) -> Peer {
        let at = at.to_string();
        if let Some(path) = at.strip_prefix("ipc://") {
            let stream = UnixStream::connect(path).expect("to connect");
            stream.set_read_timeout(Some(SOON)).expect("a timeout");
            stream.set_write_timeout(Some(SOON)).expect("a timeout");
            return Peer {
                stream: Stream::Unix(stream),
                name: at.clone(),
            };
        }
        let address = at.strip_prefix("tcp://").expect("TCP");
        let stream = TcpStream::connect(address).expect("to connect");
        let name = stream.local_addr().expect("an address").to_string();
        Peer::over(stream, format!("tcp://{name}"))
    }

    /// Waits for a socket to connect to `listener`.
    pub fn accept(listener: &TcpListener) -> Peer {
        listener.set_nonblocking(false).expect("to set it");
        // On a listener the time limit for reading is one for accepting.
        let socket = socket2::SockRef::from(listener);
        socket.set_read_timeout(Some(SOON)).expect("a timeout");
        let (stream, _) = listener.accept().expect("a connection in time");
        let name = listener.local_addr().expect("an address");
        Peer::over(stream, format!("tcp://{name}"))
    }

    fn over(stream: TcpStream, name: String) -> Peer {
        stream.set_nodelay(true).expect("to set it");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        stream.set_write_timeout(Some(SOON)).expect("a timeout");
        Peer {
            stream: Stream::Tcp(stream),
            name,
        }
    }

    /// Connects, and goes through the handshake as a peer of that type.
    pub fn ready(at: &Endpoint, ours: SocketType, theirs: &str) -> Peer {
        let mut peer = Peer::connect(at);
        peer.shake(ours, theirs);
        peer
    }

    /// Goes through the handshake as a peer of that type; checks what the socket says in it.
    pub fn shake(&mut self, ours: SocketType, theirs: &str) {
        self.say(&[greeting(), ready(theirs)].concat());
        self.expect(&our_words(ours));
    }

    /// Sends octets. Gives `false` if the other end has closed already.
    pub fn try_say(&mut self, octets: &[u8]) -> bool {
        let sent = match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(octets),
            Stream::Unix(stream) => stream.write_all(octets),
        };
        match sent {
            Ok(()) => true,
            Err(error) => {
                let closed = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
                assert!(closed.contains(&error.kind()), "to send: {error}");
                false
            }
        }
    }

    /// Sends octets.
    pub fn say(&mut self, octets: &[u8]) {
        assert!(self.try_say(octets), "closed too early");
    }

    /// Sends `octets` again and again, until the other end takes no more or `most` have left.
    /// Gives how many left.
    pub fn say_until_stuck(&mut self, octets: &[u8], most: usize) -> usize {
        self.set_write_timeout(Duration::from_millis(300));
        let mut sent = 0;
        while sent < most {
            let rest = &octets[sent % octets.len()..];
            let written = match &mut self.stream {
                Stream::Tcp(stream) => stream.write(rest),
                Stream::Unix(stream) => stream.write(rest),
            };
            match written {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("to send: {error}"),
            }
        }
        self.set_write_timeout(SOON);
        sent
    }

    fn set_write_timeout(&self, timeout: Duration) {
        let set = match &self.stream {
            Stream::Tcp(stream) => stream.set_write_timeout(Some(timeout)),
            Stream::Unix(stream) => stream.set_write_timeout(Some(timeout)),
        };
        set.expect("a timeout");
    }

    /// Is nothing said for so long?
    pub fn hears_nothing_for(&mut self, time: Duration) -> bool {
        self.set_read_timeout(time);
        let read = self.read(&mut [0]);
        self.set_read_timeout(SOON);
        matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    fn set_read_timeout(&self, timeout: Duration) {
        let set = match &self.stream {
            Stream::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            Stream::Unix(stream) => stream.set_read_timeout(Some(timeout)),
        };
        set.expect("a timeout");
    }

    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.read(into),
            Stream::Unix(stream) => stream.read(into),
        }
    }

    /// Reads just so many octets.
    pub fn hear(&mut self, octets: usize) -> Vec<u8> {
        let mut heard = vec![0; octets];
        let mut at = 0;
        while at < octets {
            let count = self.read(&mut heard[at..]).expect("octets in time");
            assert_ne!(count, 0, "closed after {}", heard[..at].escape_ascii());
            at += count;
        }
        heard
    }

    /// Reads just these octets.
    pub fn expect(&mut self, octets: &[u8]) {
        let heard = self.hear(octets.len());
        assert_eq!(
            heard.escape_ascii().to_string(),
            octets.escape_ascii().to_string()
        );
    }

    /// Reads to the end of the stream: what still came. A reset is an end too; the system resets
    /// a connection that is closed while octets of ours lie unread.
    pub fn hear_end(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        let mut some = [0; 4096];
        loop {
            match self.read(&mut some) {
                Ok(0) => return heard,
                Ok(count) => heard.extend(&some[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return heard,
                Err(error) => panic!("not closed: {error}"),
            }
        }
    }

    /// The connection stands, and everything said before has been read: a PING is answered.
    pub fn check_open(&mut self) {
        self.say(&command("PING", b"\0\0open?"));
        self.expect(&command("PONG", b"open?"));
    }

    /// Sends no more; reads on. (The other end may have closed already.)
    pub fn end(&self) {
        let done = match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
        if let Err(error) = done {
            assert_eq!(error.kind(), ErrorKind::NotConnected, "to shut it down");
        }
    }
}

/// A listener for sockets that connect, and its endpoint.
pub fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("to listen");
    let at = listener.local_addr().expect("an address");
    (listener, format!("tcp://{at}"))
}

/// Does nobody wait to be accepted?
pub fn is_quiet(listener: &TcpListener) -> bool {
    listener.set_nonblocking(true).expect("to set it");
    matches!(listener.accept(), Err(error) if error.kind() == ErrorKind::WouldBlock)
}
