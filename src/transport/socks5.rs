//! Connecting through a SOCKS5 proxy (RFC 1928; name and password: RFC 1929).
//!
//! ```text
//!   we                                        the proxy
//!   05 n methods                     ─►
//!                                    ◄─       05 method       00: none, 02: name and password
//!   01 n name n password             ─►       (method 02 only)
//!                                    ◄─       01 00
//!   05 01 00 type address port       ─►
//!                                    ◄─       05 00 00 type address port
//!   the connection is that with the target from here on
//! ```
//!
//! The target's name is the proxy's to resolve. All of it happens before the stream says that it
//! is connected, within the time that an attempt to connect may take.

use std::{
    io::{self, IoSlice},
    net::IpAddr,
};

use bytes::Bytes;

use crate::{
    base::{
        secret::Secret,
        sync::{Mutex, Rank},
    },
    reactor::metal::{Ends, SocksTarget, SourceId, Stream},
};

/// A stream to a proxy, which becomes one to the target.
pub(super) struct SocksStream {
    inner: Box<dyn Stream>,
    target: SocksTarget,
    talk: Mutex<Talk>,
}

/// The words between us and the proxy.
struct Talk {
    stage: Stage,
    /// What we say at each stage, and what of it has left.
    methods: Vec<u8>,
    login: Option<Vec<u8>>,
    request: Vec<u8>,
    out: Vec<u8>,
    /// What the proxy has said at this stage.
    heard: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// TCP connects.
    Connecting,
    /// Which method?
    Method,
    /// Is the password right?
    Login,
    /// Is the target reached?
    Reply,
    Done,
}

impl SocksStream {
    pub(super) fn new(
        inner: Box<dyn Stream>,
        login: Option<&(Bytes, Secret)>,
        target: SocksTarget,
    ) -> SocksStream {
        let talk = Talk::new(login, &target);
        SocksStream {
            inner,
            target,
            talk: Mutex::new(Rank::Leaf, talk),
        }
    }

    fn say(&self, talk: &mut Talk) -> io::Result<()> {
        while !talk.out.is_empty() {
            let written = self.inner.write(&[IoSlice::new(&talk.out)])?;
            talk.out.drain(..written);
        }
        Ok(())
    }

    /// Reads what is missing of the word, and not one octet more: the next may be the target's.
    fn hear(&self, talk: &mut Talk) -> io::Result<()> {
        loop {
            let missing = talk.missing()?;
            if missing == 0 {
                return Ok(());
            }
            if self.inner.read(&mut talk.heard, missing)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl Stream for SocksStream {
    fn source(&self) -> SourceId {
        self.inner.source()
    }

    fn finish_connect(&self) -> io::Result<()> {
        let talk = &mut *self.talk.lock();
        if talk.stage == Stage::Connecting {
            self.inner.finish_connect()?;
            talk.begin();
        }
        while talk.stage != Stage::Done {
            self.say(talk)?;
            self.hear(talk)?;
            talk.step()?;
        }
        Ok(())
    }

    fn read(&self, into: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
        self.inner.read(into, limit)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner.write(slices)
    }

    fn ends(&self) -> Ends {
        let SocksTarget { host, port } = &self.target;
        Ends {
            remote: format!("tcp://{host}:{port}"),
            peer: host.clone(),
            ..self.inner.ends()
        }
    }
}

impl Talk {
    fn new(login: Option<&(Bytes, Secret)>, target: &SocksTarget) -> Talk {
        let login = login.map(|(name, password)| {
            let mut octets = vec![1];
            push_short(name, &mut octets);
            push_short(password.expose(), &mut octets);
            octets
        });
        let methods = match login {
            Some(_) => vec![5, 2, NO_LOGIN, LOGIN],
            None => vec![5, 1, NO_LOGIN],
        };
        Talk {
            stage: Stage::Connecting,
            methods,
            login,
            request: request(target),
            out: Vec::new(),
            heard: Vec::new(),
        }
    }

    fn begin(&mut self) {
        self.out = std::mem::take(&mut self.methods);
        self.stage = Stage::Method;
    }

    /// Octets still to be heard before this word can be judged.
    fn missing(&self) -> io::Result<usize> {
        let heard = self.heard.len();
        let whole = match (self.stage, &self.heard[..]) {
            (Stage::Reply, [_, _, _, 1, ..]) => 4 + 4 + 2,
            (Stage::Reply, [_, _, _, 4, ..]) => 4 + 16 + 2,
            (Stage::Reply, [_, _, _, 3]) => 5,
            (Stage::Reply, [_, _, _, 3, octets, ..]) => 5 + usize::from(*octets) + 2,
            (Stage::Reply, [_, code, _, _, ..]) if *code == 0 => return Err(nonsense()),
            (Stage::Reply, _) => 4,
            _ => 2,
        };
        Ok(whole.saturating_sub(heard))
    }

    /// Judges the word that was heard.
    fn step(&mut self) -> io::Result<()> {
        let heard = std::mem::take(&mut self.heard);
        self.stage = match (self.stage, &heard[..]) {
            (Stage::Method, [5, NO_LOGIN]) => self.ask(),
            (Stage::Method, [5, LOGIN]) => {
                self.out = self.login.take().ok_or_else(nonsense)?;
                Stage::Login
            }
            (Stage::Method, [5, _]) => return Err(denied("the proxy wants another login")),
            (Stage::Login, [1, 0]) => self.ask(),
            (Stage::Login, [1, _]) => return Err(denied("the proxy refuses the login")),
            (Stage::Reply, [5, 0, ..]) => Stage::Done,
            (Stage::Reply, [5, code, ..]) => return Err(failed(*code)),
            _ => return Err(nonsense()),
        };
        Ok(())
    }

    fn ask(&mut self) -> Stage {
        self.out = std::mem::take(&mut self.request);
        Stage::Reply
    }
}

fn request(target: &SocksTarget) -> Vec<u8> {
    let mut octets = vec![5, 1, 0];
    match target.host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            octets.push(1);
            octets.extend(ip.octets());
        }
        Ok(IpAddr::V6(ip)) => {
            octets.push(4);
            octets.extend(ip.octets());
        }
        Err(_) => {
            octets.push(3);
            push_short(target.host.as_bytes(), &mut octets);
        }
    }
    octets.extend(target.port.to_be_bytes());
    octets
}

/// One octet with the length, then as many; the options have seen to it that they fit.
fn push_short(text: &[u8], octets: &mut Vec<u8>) {
    let text = &text[..text.len().min(255)];
    octets.push(text.len() as u8);
    octets.extend(text);
}

fn denied(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, what)
}

fn nonsense() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the proxy does not speak SOCKS5",
    )
}

/// Why the proxy could not reach the target (RFC 1928, 6).
fn failed(code: u8) -> io::Error {
    let errno = match code {
        2 => libc::EACCES,
        3 => libc::ENETUNREACH,
        4 => libc::EHOSTUNREACH,
        5 => libc::ECONNREFUSED,
        6 => libc::ETIMEDOUT,
        7 | 8 => libc::EOPNOTSUPP,
        _ => return io::Error::other("the proxy has failed"),
    };
    io::Error::from_raw_os_error(errno)
}

const NO_LOGIN: u8 = 0;
const LOGIN: u8 = 2;
