//! PLAIN: a name and a password, readable by everybody on the way (RFC 24).
//!
//! ```text
//!   client                                   server
//!   HELLO user password ───────────────────► asks
//!          ◄──────────────────────────────── WELCOME, or ERROR
//!   INITIATE properties ───────────────────► the peer fits?
//!   done   ◄──────────────────────── READY properties; done
//! ```
//!
//! A client says nothing before WELCOME, so whatever comes while the server asks is refused.

use bytes::Bytes;

use super::{Scene, Turn, announce, ask, heed, meet, protocol, refused};
use crate::{
    base::{
        auth::Credentials,
        event::{ProtocolError, Reason},
        secret::Secret,
    },
    wire::command::{encode, encode_hello, parse_hello},
};

/// How some peers spell ERROR in this mechanism, the length of the name included.
const ERROR_MISSPELT: &[u8] = b"^RROR";

/// What the client waits for.
#[derive(Debug)]
pub(in crate::engine) enum Client {
    Welcome,
    Ready,
}

impl Client {
    pub(super) fn begin(user: &[u8], password: &Secret, out: &mut Vec<u8>) -> Client {
        encode_hello(user, password.expose(), out);
        Client::Welcome
    }

    pub(super) fn handle(
        &mut self,
        scene: Scene<'_>,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Turn, Reason> {
        if let Some(data) = body.strip_prefix(ERROR_MISSPELT) {
            return Err(refused(data));
        }
        let command = heed(body)?;
        match (&self, command.name, command.data) {
            (Client::Welcome, b"WELCOME", []) => {
                encode("INITIATE", &announce(scene.config), out);
                *self = Client::Ready;
                Ok(Turn::Waits)
            }
            (Client::Welcome, b"WELCOME", _) => Err(protocol(ProtocolError::MalformedWelcome)),
            // The server has judged our type already: it needs no word of ours.
            (Client::Ready, b"READY", data) => {
                Ok(Turn::Done(meet(scene, data, &mut Vec::new())?, None))
            }
            _ => Err(protocol(ProtocolError::UnexpectedCommand)),
        }
    }
}

/// What the server waits for.
#[derive(Debug)]
pub(in crate::engine) enum Server {
    Hello,
    Verdict,
    Initiate,
}

impl Server {
    pub(super) fn begin() -> Server {
        Server::Hello
    }

    pub(super) fn handle(
        &mut self,
        scene: Scene<'_>,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Turn, Reason> {
        if let Server::Verdict = self {
            return Err(protocol(ProtocolError::Unspecified));
        }
        let command = heed(body)?;
        match (&self, command.name) {
            (Server::Hello, b"HELLO") => {
                let malformed = protocol(ProtocolError::MalformedHello);
                let (user, password) = parse_hello(command.data).ok_or(malformed)?;
                *self = Server::Verdict;
                Ok(ask(Credentials::Plain {
                    user: Bytes::copy_from_slice(user),
                    password: Secret::copy_from(password),
                }))
            }
            (Server::Initiate, b"INITIATE") => {
                let peer = meet(scene, command.data, out)?;
                encode("READY", &announce(scene.config), out);
                Ok(Turn::Done(peer, None))
            }
            _ => Err(protocol(ProtocolError::UnexpectedCommand)),
        }
    }

    pub(super) fn admit(&mut self, out: &mut Vec<u8>) -> Turn {
        encode("WELCOME", &[], out);
        *self = Server::Initiate;
        Turn::Waits
    }
}
