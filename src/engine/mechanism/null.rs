//! NULL: both sides say READY (RFC 37, "The NULL Security Mechanism").
//!
//! ```text
//!   nobody to ask:  READY with the greeting ───────────────► their READY: done
//!   else:           asks ── their READY may come, is kept ──► allowed: READY; done, if theirs came
//! ```

use super::{Config, Peer, Scene, Turn, announce, ask, heed, meet, protocol};
use crate::{
    base::{
        auth::Credentials,
        event::{ProtocolError, Reason},
    },
    wire::command::encode,
};

/// Where it stands.
#[derive(Debug)]
pub(in crate::engine) enum Null {
    /// Their READY has not come; ours has left.
    Open,
    /// Nobody has answered yet whether the peer may come in; its READY has perhaps come.
    Asked(Option<Peer>),
}

impl Null {
    /// What goes with the greeting, whatever the peer's mechanism is.
    pub(super) fn say_early(config: &Config, out: &mut Vec<u8>) {
        if !config.asks {
            encode("READY", &announce(config), out);
        }
    }

    pub(super) fn begin(scene: Scene<'_>) -> (Null, Turn) {
        if scene.config.asks {
            return (Null::Asked(None), ask(Credentials::Null));
        }
        (Null::Open, Turn::Waits)
    }

    pub(super) fn handle(
        &mut self,
        scene: Scene<'_>,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Turn, Reason> {
        let command = heed(body)?;
        if command.name != b"READY" {
            return Err(protocol(ProtocolError::UnexpectedCommand));
        }
        match self {
            Null::Open => Ok(Turn::Done(meet(scene, command.data, out)?, None)),
            Null::Asked(Some(_)) => Err(protocol(ProtocolError::UnexpectedCommand)),
            Null::Asked(early) => {
                *early = Some(meet(scene, command.data, out)?);
                Ok(Turn::Waits)
            }
        }
    }

    pub(super) fn admit(&mut self, scene: Scene<'_>, out: &mut Vec<u8>) -> Turn {
        encode("READY", &announce(scene.config), out);
        match std::mem::replace(self, Null::Open) {
            Null::Asked(Some(peer)) => Turn::Done(peer, None),
            _ => Turn::Waits,
        }
    }
}
