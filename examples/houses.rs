//! Five houses, from grass to iron: how to let in whom you want, and nobody else.
//!
//! ```text
//!   grass   no security       everybody comes in
//!   straw   a list            who comes from these addresses
//!   wood    PLAIN             who has a name and a password, which everybody on the way can read
//!   stone   CURVE             who knows the server's public key; nobody on the way reads on
//!   iron    CURVE and a list  the same, and whose own key is on the list
//! ```
//!
//! Each house sends one visitor away, and lets the other in. What is shown of a refusal is what a monitor of
//! the house tells.
//!
//! ```sh
//! cargo run --features curve --example houses
//! ```

use std::{error::Error, time::Duration};

use hubless::{AllowList, Builder, Endpoint, EventKind, Pull, Push, Reconnect};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    grass()?;
    straw()?;
    wood()?;
    #[cfg(feature = "curve")]
    {
        stone()?;
        iron()?;
    }
    #[cfg(not(feature = "curve"))]
    println!("stone and iron need --features curve");
    Ok(())
}

fn grass() -> Outcome {
    let house = House::build("grass", Pull::builder())?;
    house.visit("anybody", Push::builder())
}

fn straw() -> Outcome {
    let neighbours = AllowList::new().network("10.0.0.0/8".parse()?);
    let house = House::build("straw", Pull::builder().authenticator(neighbours))?;
    house.visit("a stranger from 127.0.0.1", Push::builder())?;

    let neighbours = AllowList::new().network("127.0.0.0/8".parse()?);
    let house = House::build("straw", Pull::builder().authenticator(neighbours))?;
    house.visit("a neighbour", Push::builder())
}

fn wood() -> Outcome {
    // A real one would look up a hash of the password.
    let knows = |user: &[u8], password: &[u8]| user == b"pig" && password == b"not by the hair";
    let house = House::build("wood", Pull::builder().plain_server(knows))?;
    house.visit("who says nothing", Push::builder())?;
    let wolf = Push::builder().plain_client("pig", "let me in");
    house.visit("a wolf", wolf)?;
    let pig = Push::builder().plain_client("pig", "not by the hair");
    house.visit("a pig", pig)
}

#[cfg(feature = "curve")]
fn stone() -> Outcome {
    use hubless::KeyPair;

    let keys = KeyPair::generate();
    let house = House::build("stone", Pull::builder().curve_server(keys.clone()))?;
    // What the house proves to its visitors: it has the secret to the key that they were given.
    let deceived = KeyPair::generate().public();
    let lost = Push::builder().curve_client(deceived, KeyPair::generate());
    house.visit("who looks for another house", lost)?;
    let guest = Push::builder().curve_client(keys.public(), KeyPair::generate());
    house.visit("who knows its key", guest)
}

#[cfg(feature = "curve")]
fn iron() -> Outcome {
    use hubless::KeyPair;

    let (keys, pig) = (KeyPair::generate(), KeyPair::generate());
    // hubless::KeyFolder is such a list, kept in files.
    let friends = AllowList::new().key(pig.public(), "the third pig");
    let builder = Pull::builder().curve_server(keys.clone());
    let house = House::build("iron", builder.authenticator(friends))?;
    let wolf = Push::builder().curve_client(keys.public(), KeyPair::generate());
    house.visit("a wolf who knows its key", wolf)?;
    let pig = Push::builder().curve_client(keys.public(), pig);
    house.visit("a pig", pig)
}

/// A socket that takes things in at its door.
struct House {
    of: &'static str,
    pull: Pull,
    door: Endpoint,
}

impl House {
    fn build(of: &'static str, builder: Builder<Pull>) -> Result<House, Box<dyn Error>> {
        let pull = builder.recv_timeout(Duration::from_secs(10)).build()?;
        let door = pull.bind("tcp://127.0.0.1:0")?;
        Ok(House { of, pull, door })
    }

    /// Somebody knocks. Tells how it ends.
    fn visit(&self, visitor: &str, builder: Builder<Push>) -> Outcome {
        let events = self.pull.monitor();
        let push = builder.reconnect(Reconnect::Never).build()?;
        push.connect(&self.door)?;
        // Who is sent away at once has nobody to send to.
        let _ = push.try_send(format!("regards from {visitor}"));
        let ends = loop {
            let event = events.recv_timeout(Duration::from_secs(10))?;
            match event.kind {
                EventKind::HandshakeSucceeded => break Ok(event.peer),
                EventKind::HandshakeFailed(why) => break Err(why),
                _ => {}
            }
        };
        match ends {
            Ok(peer) => {
                let name = peer.and_then(|peer| peer.property("User-Id").cloned());
                let name = name.map(|name| format!(", as {}", name.escape_ascii()));
                let message = self.pull.recv()?;
                let name = name.unwrap_or_default();
                println!(
                    "{:5}  {visitor} comes in{name}: {}",
                    self.of,
                    message.as_str()?
                );
            }
            Err(why) => println!("{:5}  {visitor} stays outside: {why}", self.of),
        }
        Ok(())
    }
}
