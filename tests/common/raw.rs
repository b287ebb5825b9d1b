//! A ZMTP peer by hand: octets through a TCP stream of std, written by no code of ours.
//!
//! ```text
//!   greeting 64   FF 00*8 7F 03 01 "NULL" 00*16 00 00*31      RFC 37, "The Greeting"
//!   READY         04 LEN 05 "READY" { LEN name LEN32 value }
//!   frame         FLAGS LEN body      flags: 01 more, 02 long (LEN64), 04 command
//! ```

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
};

use hubless::Endpoint;

use super::SOON;

/// A listener of std's at a port that the system picked, and where that is.
pub fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = format!("tcp://{}", listener.local_addr().expect("its address"));
    (listener, at)
}

/// One end of a connection.
pub struct Raw {
    pub stream: TcpStream,
}

/// A frame as it came.
#[derive(Debug, PartialEq, Eq)]
pub struct RawFrame {
    pub flags: u8,
    pub body: Vec<u8>,
}

impl Raw {
    /// Connects to a socket that is bound there; greetings and READYs are exchanged.
    pub fn connect(at: &Endpoint, socket_type: &str) -> Raw {
        Raw::connect_as(at, socket_type, b"")
    }

    /// As `connect`, with a routing id.
    pub fn connect_as(at: &Endpoint, socket_type: &str, identity: &[u8]) -> Raw {
        let mut raw = Raw::connect_silently(at);
        raw.shake_hands(socket_type, identity);
        raw
    }

    /// Connects and says nothing.
    pub fn connect_silently(at: &Endpoint) -> Raw {
        let text = at.to_string();
        let address = text.strip_prefix("tcp://").expect("a TCP endpoint");
        Raw::over(TcpStream::connect(address).expect("to connect"))
    }

    /// Takes a connection; greetings and READYs are exchanged.
    pub fn accept(listener: &TcpListener, socket_type: &str) -> Raw {
        let (stream, _) = listener.accept().expect("a connection");
        let mut raw = Raw::over(stream);
        raw.shake_hands(socket_type, b"");
        raw
    }

    fn over(stream: TcpStream) -> Raw {
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        stream.set_write_timeout(Some(SOON)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Raw { stream }
    }

    fn shake_hands(&mut self, socket_type: &str, identity: &[u8]) {
        self.write(&greeting());
        self.write(&ready(socket_type, identity));
        let mut theirs = [0; 64];
        self.stream.read_exact(&mut theirs).expect("a greeting");
        assert_eq!((theirs[0], theirs[9], theirs[10]), (0xff, 0x7f, 3));
        let command = self.read().expect("a READY");
        assert_eq!(command.flags & 4, 4);
        assert!(command.body.starts_with(b"\x05READY"), "{command:?}");
    }

    pub fn write(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).expect("to write");
    }

    /// Sends a whole message.
    pub fn send(&mut self, frames: &[&[u8]]) {
        let mut octets = Vec::new();
        for (index, body) in frames.iter().enumerate() {
            octets.extend(frame(u8::from(index + 1 < frames.len()), body));
        }
        self.write(&octets);
    }

    /// The next frame or command.
    pub fn read(&mut self) -> io::Result<RawFrame> {
        let mut flags = [0; 1];
        self.stream.read_exact(&mut flags)?;
        let octets = if flags[0] & 2 == 2 {
            let mut octets = [0; 8];
            self.stream.read_exact(&mut octets)?;
            u64::from_be_bytes(octets)
        } else {
            let mut octets = [0; 1];
            self.stream.read_exact(&mut octets)?;
            u64::from(octets[0])
        };
        let mut body = vec![0; usize::try_from(octets).expect("a length")];
        self.stream.read_exact(&mut body)?;
        Ok(RawFrame {
            flags: flags[0],
            body,
        })
    }

    /// Reads until the other side has closed the connection.
    pub fn read_to_end(&mut self) {
        let mut rest = [0; 4096];
        loop {
            match self.stream.read(&mut rest) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return,
                Err(error) => panic!("the connection did not end: {error}"),
            }
        }
    }
}

/// A 3.1 greeting with mechanism NULL.
pub fn greeting() -> Vec<u8> {
    let mut octets = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1];
    octets.extend(b"NULL");
    octets.resize(64, 0);
    octets
}

/// READY of NULL.
pub fn ready(socket_type: &str, identity: &[u8]) -> Vec<u8> {
    let mut body = b"\x05READY".to_vec();
    let mut property = |name: &str, value: &[u8]| {
        body.push(name.len() as u8);
        body.extend(name.as_bytes());
        body.extend((value.len() as u32).to_be_bytes());
        body.extend(value);
    };
    property("Socket-Type", socket_type.as_bytes());
    if !identity.is_empty() {
        property("Identity", identity);
    }
    frame(4, &body)
}

/// A command: its name, and what follows it.
pub fn command(name: &str, rest: &[u8]) -> Vec<u8> {
    let mut body = vec![name.len() as u8];
    body.extend(name.as_bytes());
    body.extend(rest);
    frame(4, &body)
}

/// One frame, short or long as it must be.
pub fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(body.len() + 9);
    if body.len() > 255 {
        octets.push(flags | 2);
        octets.extend((body.len() as u64).to_be_bytes());
    } else {
        octets.push(flags);
        octets.push(body.len() as u8);
    }
    octets.extend(body);
    octets
}
