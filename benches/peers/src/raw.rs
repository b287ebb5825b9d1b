//! Plain streams with just enough ZMTP 3.0 (RFC 23) on them to stand for a peer: greeting, READY,
//! frames. With `sp+tcp://` in front, just enough of nanomsg's SP for nng.
//!
//! Everything that comes is trusted: these are the floors and the raw crowds of a measurement.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
};

use crate::Failure;

/// What is read or written at once.
pub const BUFFER: usize = 64 * 1024;

/// Where to bind or to connect, and what is spoken there.
#[derive(Clone, Debug)]
pub struct Place {
    pub protocol: Protocol,
    socket: Socket,
}

#[derive(Clone, Debug)]
enum Socket {
    Tcp(String),
    Unix(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Zmtp,
    Sp,
}

impl Place {
    /// # Errors
    /// If the scheme is none of `tcp`, `ipc`, `sp+tcp`.
    pub fn parse(at: &str) -> Result<Place, Failure> {
        let (protocol, rest) = match at.strip_prefix("sp+") {
            Some(rest) => (Protocol::Sp, rest),
            None => (Protocol::Zmtp, at),
        };
        let socket = if let Some(address) = rest.strip_prefix("tcp://") {
            Socket::Tcp(address.into())
        } else if let Some(path) = rest.strip_prefix("ipc://") {
            Socket::Unix(path.into())
        } else {
            return Err(format!("neither tcp nor ipc: {at}").into());
        };
        Ok(Place { protocol, socket })
    }

    /// # Errors
    /// The system's.
    pub fn connect(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Socket::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path)?)),
        }
    }

    /// # Errors
    /// The system's.
    pub fn listen(&self) -> io::Result<Listener> {
        match &self.socket {
            Socket::Tcp(address) => Ok(Listener::Tcp(TcpListener::bind(address)?)),
            Socket::Unix(path) => Ok(Listener::Unix(UnixListener::bind(path)?)),
        }
    }
}

#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// # Errors
    /// The system's.
    pub fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Listener::Unix(listener) => Ok(Stream::Unix(listener.accept()?.0)),
        }
    }
}

#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// # Errors
    /// The system's.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_nonblocking(on),
            Stream::Unix(stream) => stream.set_nonblocking(on),
        }
    }

    /// Greets as a socket of type `own`, and hears who the other is.
    ///
    /// # Errors
    /// The system's; an end in between.
    pub fn greet(&mut self, protocol: Protocol, own: &str) -> io::Result<()> {
        if protocol == Protocol::Sp {
            self.write_all(&sp_greeting(own))?;
            return self.read_exact(&mut [0; 8]);
        }
        let mut hello = [0; 64];
        hello[0] = 0xff;
        hello[9] = 0x7f;
        hello[10] = 3;
        hello[12..16].copy_from_slice(b"NULL");
        self.write_all(&hello)?;
        self.read_exact(&mut hello)?;
        self.write_all(&ready(own))?;
        let mut header = [0; 2];
        self.read_exact(&mut header)?;
        let mut command = vec![0; header[1].into()];
        self.read_exact(&mut command)
    }

    /// Asks a greeted PUB for `topic`; an SP publisher sends everything unasked.
    ///
    /// # Errors
    /// The system's.
    pub fn subscribe(&mut self, protocol: Protocol, topic: &str) -> io::Result<()> {
        if protocol == Protocol::Sp {
            return Ok(());
        }
        let mut body = vec![1];
        body.extend_from_slice(topic.as_bytes());
        let mut frame = Vec::new();
        put_frame(&mut frame, 0, &body);
        self.write_all(&frame)
    }

    /// Reads exactly so much without ever sleeping.
    ///
    /// # Errors
    /// The system's; an end in between.
    pub fn spin_exact(&mut self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(octets) => buffer = &mut buffer[octets..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(buffer),
            Stream::Unix(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn sp_greeting(own: &str) -> [u8; 8] {
    let kind = match own {
        "PUSH" => 0x50,
        "PULL" => 0x51,
        "PUB" => 0x20,
        "SUB" => 0x21,
        "REQ" => 0x30,
        _ => 0x31,
    };
    [0, b'S', b'P', 0, 0, kind, 0, 0]
}

fn ready(own: &str) -> Vec<u8> {
    let mut body = b"\x05READY\x0bSocket-Type".to_vec();
    body.extend_from_slice(&(own.len() as u32).to_be_bytes());
    body.extend_from_slice(own.as_bytes());
    let mut frame = Vec::new();
    put_frame(&mut frame, 4, &body);
    frame
}

/// A frame's header: 2 octets, or 9 for a body above 255 octets.
pub fn header(flags: u8, octets: usize) -> ([u8; 9], usize) {
    let mut header = [0; 9];
    if octets > 255 {
        header[0] = flags | 2;
        header[1..].copy_from_slice(&(octets as u64).to_be_bytes());
        return (header, 9);
    }
    header[0] = flags;
    header[1] = octets as u8;
    (header, 2)
}

/// A frame as it is sent.
pub fn put_frame(to: &mut Vec<u8>, flags: u8, body: &[u8]) {
    let (header, octets) = header(flags, body.len());
    to.extend_from_slice(&header[..octets]);
    to.extend_from_slice(body);
}

/// A message of one frame as `protocol` sends it.
pub fn put_message(to: &mut Vec<u8>, protocol: Protocol, body: &[u8]) {
    match protocol {
        Protocol::Zmtp => put_frame(to, 0, body),
        Protocol::Sp => {
            to.extend_from_slice(&(body.len() as u64).to_be_bytes());
            to.extend_from_slice(body);
        }
    }
}

/// Frames on their way out, copied together up to a buffer full.
#[derive(Debug)]
pub struct Batch {
    stream: Stream,
    buffer: Vec<u8>,
}

impl Batch {
    pub fn new(stream: Stream) -> Batch {
        let buffer = Vec::with_capacity(BUFFER);
        Batch { stream, buffer }
    }

    /// # Errors
    /// The system's.
    pub fn put(&mut self, body: &[u8]) -> io::Result<()> {
        let (header, octets) = header(0, body.len());
        self.put_piece(&header[..octets])?;
        self.put_piece(body)
    }

    fn put_piece(&mut self, mut piece: &[u8]) -> io::Result<()> {
        loop {
            let room = BUFFER - self.buffer.len();
            if piece.len() < room {
                self.buffer.extend_from_slice(piece);
                return Ok(());
            }
            let (now, later) = piece.split_at(room);
            self.buffer.extend_from_slice(now);
            self.flush()?;
            piece = later;
        }
    }

    /// # Errors
    /// The system's.
    pub fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Counts the messages in a stream of frames, wherever a read cuts them.
#[derive(Debug)]
pub struct Counter {
    protocol: Protocol,
    header: [u8; 9],
    held: usize,
    body_left: u64,
    counts: bool,
}

impl Counter {
    pub fn new(protocol: Protocol) -> Counter {
        Counter {
            protocol,
            header: [0; 9],
            held: 0,
            body_left: 0,
            counts: false,
        }
    }

    /// How many messages end in `octets`.
    pub fn take(&mut self, mut octets: &[u8]) -> usize {
        let mut messages = 0;
        loop {
            if self.body_left > 0 {
                let now = self.body_left.min(octets.len() as u64);
                octets = &octets[now as usize..];
                self.body_left -= now;
                if self.body_left > 0 {
                    return messages;
                }
                messages += usize::from(self.counts);
            }
            // The whole header at once is the rule, and a header in pieces the exception.
            while self.held < self.header_octets() {
                let Some((&first, rest)) = octets.split_first() else {
                    return messages;
                };
                self.header[self.held] = first;
                self.held += 1;
                octets = rest;
            }
            self.begin_body();
            if self.body_left == 0 {
                messages += usize::from(self.counts);
            }
        }
    }

    fn header_octets(&self) -> usize {
        match self.protocol {
            Protocol::Sp => 8,
            Protocol::Zmtp if self.held > 0 && self.header[0] & 2 != 0 => 9,
            Protocol::Zmtp => 2,
        }
    }

    fn begin_body(&mut self) {
        let long = |octets: &[u8]| u64::from_be_bytes(octets.try_into().expect("eight octets"));
        (self.body_left, self.counts) = match self.protocol {
            Protocol::Sp => (long(&self.header[..8]), true),
            // Neither commands nor parts that others follow.
            Protocol::Zmtp => {
                let flags = self.header[0];
                let octets = match flags & 2 {
                    0 => self.header[1].into(),
                    _ => long(&self.header[1..]),
                };
                (octets, flags & 5 == 0)
            }
        };
        self.held = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_frames_however_they_are_cut() {
        for (protocol, sizes) in [
            (Protocol::Zmtp, [0, 3, 255, 256]),
            (Protocol::Sp, [0, 1, 2, 3]),
        ] {
            let mut stream = Vec::new();
            for size in sizes {
                put_message(&mut stream, protocol, &vec![b'x'; size]);
            }
            for cut in 1..=stream.len() {
                let mut counter = Counter::new(protocol);
                let found: usize = stream.chunks(cut).map(|piece| counter.take(piece)).sum();
                assert_eq!(found, sizes.len(), "cut every {cut} octets");
            }
        }
    }
}
