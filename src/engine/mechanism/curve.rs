//! CURVE: both sides prove their keys, and nobody else reads on (RFC 26).
//!
//! ```text
//!   client: keys c, C; of this connection c', C'        server: keys s, S; of this connection s', S'
//!   HELLO     C', Box[zeros](c' → S) ──────────────────►  does it know S?
//!             ◄──────────── WELCOME  Box[S', cookie](s → C')      cookie: C', s' under a key that only
//!   INITIATE  cookie,                                            this connection has; both forgotten
//!             Box[C, vouch, properties](c' → S') ──────►  vouch = Box[C', S](c → S'): is it C who
//!             ◄──────────────────── READY  Box[properties](s' → C')  made C', and for us? asks
//! ```
//!
//! A counter of each side is the nonce of all it says, from 1: it rises and never comes again.
//! Between WELCOME and a good INITIATE the server keeps one key and one counter.

use super::{Config, Peer, Scene, Turn, announce, heed, meet, protocol};
use crate::{
    base::{
        auth::{AuthRequest, Credentials},
        event::{ProtocolError, Reason},
        keys::{Curve, KEY_OCTETS, KeyPair, PublicKey, SecretKey},
        secret::{clear, is_same},
    },
    engine::sealed::{Channel, Cipher, Opener, Sealer, counting},
    wire::{command::encode, frame},
};

const HELLO: &[u8; 16] = b"CurveZMQHELLO---";
const INITIATE: &[u8; 16] = b"CurveZMQINITIATE";
const READY: &[u8; 16] = b"CurveZMQREADY---";
const CLIENT: &[u8; 16] = b"CurveZMQMESSAGEC";
const SERVER: &[u8; 16] = b"CurveZMQMESSAGES";

/// Octets of HELLO's data in front of the client's key: version 1.0 and padding.
const PADDED_OCTETS: usize = 74;
const COOKIE_OCTETS: usize = 96;
const VOUCH_OCTETS: usize = 96;

/// A random nonce's: the prefix, and what is sent of it.
fn random_nonce(prefix: &[u8; 8], curve: &Curve) -> ([u8; 24], [u8; 16]) {
    let mut sent = [0; 16];
    curve.primitives.fill_random(&mut sent);
    (with_nonce(prefix, &sent), sent)
}

fn with_nonce(prefix: &[u8; 8], sent: &[u8; 16]) -> [u8; 24] {
    let mut nonce = [0; 24];
    for (place, octet) in nonce.iter_mut().zip(prefix.iter().chain(sent)) {
        *place = *octet;
    }
    nonce
}

/// The cipher between one of our keys and one of theirs; an error if theirs is none.
fn agree(curve: &Curve, theirs: &PublicKey, ours: &SecretKey) -> Result<Cipher, Reason> {
    let key = curve.primitives.agree(theirs, ours);
    Ok(Cipher {
        key: key.ok_or(protocol(ProtocolError::Cryptographic))?,
        primitives: std::sync::Arc::clone(&curve.primitives),
    })
}

fn cipher(curve: &Curve, key: SecretKey) -> Cipher {
    Cipher {
        key,
        primitives: std::sync::Arc::clone(&curve.primitives),
    }
}

/// Appends a command of which the data are these parts.
fn say(name: &str, parts: &[&[u8]], out: &mut Vec<u8>) {
    encode(name, &parts.concat(), out);
}

/// Opens the box that follows `at` octets of data; the error is `Cryptographic`.
fn open(cipher: &Cipher, nonce: &[u8; 24], sealed: &[u8]) -> Result<Vec<u8>, Reason> {
    let mut octets = sealed.to_vec();
    let forged = protocol(ProtocolError::Cryptographic);
    let plain = cipher.open(nonce, &mut octets).ok_or(forged)?;
    let plain = plain.to_vec();
    clear(&mut octets);
    Ok(plain)
}

// ---- the client

/// The client's side.
#[derive(Debug)]
pub(in crate::engine) struct Client {
    curve: Curve,
    server: PublicKey,
    /// The keys of this connection.
    own: KeyPair,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// With the cipher between c' and S.
    Welcome(Cipher),
    /// With the cipher between c' and S'.
    Ready(Cipher),
}

impl Client {
    pub(super) fn begin(
        curve: &Curve,
        server: PublicKey,
        out: &mut Vec<u8>,
    ) -> Result<Client, Reason> {
        let own = KeyPair::fresh(&*curve.primitives);
        let hello = agree(curve, &server, own.secret())?;
        let mut data = vec![1];
        data.resize(PADDED_OCTETS, 0);
        data.extend_from_slice(own.public().as_bytes());
        data.extend_from_slice(&1u64.to_be_bytes());
        hello.seal(&counting(HELLO, 1), &[0; 64], &mut data);
        encode("HELLO", &data, out);
        Ok(Client {
            curve: curve.clone(),
            server,
            own,
            stage: Stage::Welcome(hello),
        })
    }

    pub(super) fn handle(
        &mut self,
        scene: Scene<'_>,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Turn, Reason> {
        let command = heed(body)?;
        match (&self.stage, command.name) {
            (Stage::Welcome(hello), b"WELCOME") => {
                let session = self.handle_welcome(hello, scene.config, command.data, out)?;
                self.stage = Stage::Ready(session);
                Ok(Turn::Waits)
            }
            (Stage::Ready(session), b"READY") => {
                let malformed = protocol(ProtocolError::MalformedReady);
                let (counter, sealed) =
                    command.data.split_first_chunk().ok_or(malformed.clone())?;
                if sealed.len() < 16 {
                    return Err(malformed);
                }
                let counter = u64::from_be_bytes(*counter);
                let data = open(session, &counting(READY, counter), sealed)?;
                // The server has judged our type already: it needs no word of ours.
                let peer = meet(scene, &data, &mut Vec::new())?;
                let channel = Channel {
                    sealer: Sealer::new(session.clone(), CLIENT, 3),
                    opener: Opener::new(session.clone(), SERVER, counter),
                };
                Ok(Turn::Done(peer, Some(Box::new(channel))))
            }
            _ => Err(protocol(ProtocolError::UnexpectedCommand)),
        }
    }

    /// Answers WELCOME with INITIATE.
    fn handle_welcome(
        &self,
        hello: &Cipher,
        config: &Config,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Cipher, Reason> {
        let malformed = protocol(ProtocolError::MalformedWelcome);
        let (sent, sealed) = data.split_first_chunk().ok_or(malformed.clone())?;
        if sealed.len() != 16 + KEY_OCTETS + COOKIE_OCTETS {
            return Err(malformed);
        }
        let plain = open(hello, &with_nonce(b"WELCOME-", sent), sealed)?;
        let (theirs, cookie) = plain.split_first_chunk::<KEY_OCTETS>().ok_or(malformed)?;
        let theirs = PublicKey::from(*theirs);
        let session = agree(&self.curve, &theirs, self.own.secret())?;

        let keys = &self.curve.keys;
        let (nonce, sent) = random_nonce(b"VOUCH---", &self.curve);
        let vouched = [&self.own.public().as_bytes()[..], self.server.as_bytes()].concat();
        let mut plain = [&keys.public().as_bytes()[..], &sent].concat();
        agree(&self.curve, &theirs, keys.secret())?.seal(&nonce, &vouched, &mut plain);
        plain.extend_from_slice(&announce(config));

        let mut data = [cookie, &2u64.to_be_bytes()].concat();
        session.seal(&counting(INITIATE, 2), &plain, &mut data);
        // In the long form whatever its size: some peers look for nothing else.
        let octets = data.len().saturating_add(9) as u64;
        out.push(frame::COMMAND | frame::LONG);
        out.extend_from_slice(&octets.to_be_bytes());
        out.extend_from_slice(b"\x08INITIATE");
        out.extend_from_slice(&data);
        Ok(session)
    }
}

// ---- the server

/// The server's side.
#[derive(Debug)]
pub(in crate::engine) struct Server {
    curve: Curve,
    stage: ServerStage,
}

#[derive(Debug)]
enum ServerStage {
    Hello,
    /// What is left of the client's HELLO: the key of its cookie, and its counter.
    Initiate {
        cookie: SecretKey,
        counter: u64,
    },
    /// Who has come, over which session; and the counter of its INITIATE.
    Asked {
        peer: Peer,
        session: Cipher,
        counter: u64,
    },
    Done,
}

impl Server {
    pub(super) fn begin(curve: &Curve) -> Server {
        Server {
            curve: curve.clone(),
            stage: ServerStage::Hello,
        }
    }

    pub(super) fn handle(
        &mut self,
        scene: Scene<'_>,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Turn, Reason> {
        if let ServerStage::Asked { .. } = self.stage {
            return Err(protocol(ProtocolError::Unspecified));
        }
        let command = heed(body)?;
        match (&self.stage, command.name) {
            (ServerStage::Hello, b"HELLO") => {
                self.stage = self.handle_hello(command.data, out)?;
                Ok(Turn::Waits)
            }
            (ServerStage::Initiate { cookie, counter }, b"INITIATE") => {
                let cookie = cipher(&self.curve, cookie.clone());
                let counter = *counter;
                // A cookie is good once.
                self.stage = ServerStage::Done;
                let (key, peer, stage) =
                    self.handle_initiate(scene, &cookie, counter, command.data, out)?;
                self.stage = stage;
                if !scene.config.asks {
                    return Ok(self.admit(scene.config, out));
                }
                let request = AuthRequest::new(peer, Credentials::Curve { key });
                Ok(Turn::Asks(request))
            }
            _ => Err(protocol(ProtocolError::UnexpectedCommand)),
        }
    }

    /// Answers HELLO with WELCOME.
    fn handle_hello(&self, data: &[u8], out: &mut Vec<u8>) -> Result<ServerStage, Reason> {
        let malformed = || protocol(ProtocolError::MalformedHello);
        let (padded, data) = data.split_at_checked(PADDED_OCTETS).ok_or_else(malformed)?;
        let (theirs, data) = data
            .split_first_chunk::<KEY_OCTETS>()
            .ok_or_else(malformed)?;
        let (counter, sealed) = data.split_first_chunk().ok_or_else(malformed)?;
        let [1, 0, padding @ ..] = padded else {
            return Err(malformed());
        };
        if sealed.len() != 80 || padding.iter().any(|&octet| octet != 0) {
            return Err(malformed());
        }
        let (theirs, counter) = (PublicKey::from(*theirs), u64::from_be_bytes(*counter));
        let curve = &self.curve;
        let hello = agree(curve, &theirs, curve.keys.secret())?;
        let plain = open(&hello, &counting(HELLO, counter), sealed)?;
        if plain.iter().any(|&octet| octet != 0) {
            return Err(malformed());
        }

        let own = KeyPair::fresh(&*curve.primitives);
        let cookie = SecretKey::filled(|octets| curve.primitives.fill_random(octets));
        let (nonce, sent) = random_nonce(b"COOKIE--", curve);
        let mut kept = [&theirs.as_bytes()[..], own.secret().expose()].concat();
        let mut plain = [&own.public().as_bytes()[..], &sent].concat();
        cipher(curve, cookie.clone()).seal(&nonce, &kept, &mut plain);
        clear(&mut kept);

        let (nonce, sent) = random_nonce(b"WELCOME-", curve);
        let mut sealed = Vec::new();
        hello.seal(&nonce, &plain, &mut sealed);
        say("WELCOME", &[&sent, &sealed], out);
        Ok(ServerStage::Initiate { cookie, counter })
    }

    /// Who INITIATE proves the client to be.
    fn handle_initiate(
        &self,
        scene: Scene<'_>,
        cookie: &Cipher,
        hello_counter: u64,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(PublicKey, bytes::Bytes, ServerStage), Reason> {
        let malformed = || protocol(ProtocolError::MalformedInitiate);
        let curve = &self.curve;
        let (kept, data) = data.split_at_checked(COOKIE_OCTETS).ok_or_else(malformed)?;
        let (counter, sealed) = data.split_first_chunk().ok_or_else(malformed)?;
        if sealed.len() < 16 + KEY_OCTETS + VOUCH_OCTETS {
            return Err(malformed());
        }
        let counter = u64::from_be_bytes(*counter);
        if counter <= hello_counter {
            return Err(protocol(ProtocolError::InvalidSequence));
        }
        let (sent, kept) = kept.split_first_chunk().ok_or_else(malformed)?;
        let mut kept = open(cookie, &with_nonce(b"COOKIE--", sent), kept)?;
        let (theirs, own) = kept
            .split_first_chunk::<KEY_OCTETS>()
            .ok_or_else(malformed)?;
        let theirs = PublicKey::from(*theirs);
        let own: [u8; KEY_OCTETS] = own.try_into().map_err(|_| malformed())?;
        let own = SecretKey::from(own);
        clear(&mut kept);

        let session = agree(curve, &theirs, &own)?;
        let plain = open(&session, &counting(INITIATE, counter), sealed)?;
        let (key, plain) = plain
            .split_first_chunk::<KEY_OCTETS>()
            .ok_or_else(malformed)?;
        let (vouch, properties) = plain.split_at_checked(VOUCH_OCTETS).ok_or_else(malformed)?;
        let (sent, vouch) = vouch.split_first_chunk().ok_or_else(malformed)?;
        let key = PublicKey::from(*key);
        let vouched = open(
            &agree(curve, &key, &own)?,
            &with_nonce(b"VOUCH---", sent),
            vouch,
        )?;
        let expected = [&theirs.as_bytes()[..], curve.keys.public().as_bytes()].concat();
        if !is_same(&vouched, &expected) {
            return Err(protocol(ProtocolError::KeyExchange));
        }
        let peer = meet(scene, properties, out)?;
        let name = peer.identity.clone();
        let stage = ServerStage::Asked {
            peer,
            session,
            counter,
        };
        Ok((key, name, stage))
    }

    pub(super) fn admit(&mut self, config: &Config, out: &mut Vec<u8>) -> Turn {
        let stage = std::mem::replace(&mut self.stage, ServerStage::Done);
        let ServerStage::Asked {
            peer,
            session,
            counter,
        } = stage
        else {
            return Turn::Waits;
        };
        let mut data = 1u64.to_be_bytes().to_vec();
        session.seal(&counting(READY, 1), &announce(config), &mut data);
        encode("READY", &data, out);
        let channel = Channel {
            sealer: Sealer::new(session.clone(), SERVER, 2),
            opener: Opener::new(session, CLIENT, counter),
        };
        Turn::Done(peer, Some(Box::new(channel)))
    }
}
