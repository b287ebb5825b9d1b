//! The lazy pirate: a client that does not give up when the server does.
//!
//! ```text
//!   client                              server
//!    Req ──── 3 ──────────────────────► (busy: says nothing)
//!        ✗ timed out
//!    Req ──── 3 ──────────────────────► Rep
//!        ◄─── 9 ───────────────────────
//! ```
//!
//! The server answers, forgets a request, dies, comes back, and dies for good. The client asks again,
//! a few times, and then says so. Nothing is needed for that but a timeout: after it the same socket
//! can ask again, and an answer that comes too late is not taken for another's.
//!
//! Asking again may do a thing twice. A server whose work must be done once needs a number in the
//! request, by which it knows what it has done.
//!
//! ```sh
//! cargo run --example lazy_pirate
//! ```

use std::{error::Error, thread, time::Duration};

use hubless::{Endpoint, ErrorKind, Rep, Req};

const TIMEOUT: Duration = Duration::from_millis(400);
const ATTEMPTS: u32 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let rep = Rep::new()?;
    let at = rep.bind("ipc://*")?;
    let serving = at.clone();
    let server = thread::spawn(move || server(rep, &serving));

    let req = Req::new()?;
    req.connect(&at)?;
    for number in 1..=6_u32 {
        match ask(&req, number)? {
            Some(square) => println!("{number} × {number} = {square}"),
            None => println!("{number} × {number}: the server seems to be gone, giving up"),
        }
    }
    server.join().expect("the server does not panic")?;
    Ok(())
}

/// Asks up to [`ATTEMPTS`] times. `None` if nobody answered.
fn ask(req: &Req, number: u32) -> Result<Option<String>, Box<dyn Error>> {
    for _ in 0..ATTEMPTS {
        match req.request_timeout(number.to_string(), TIMEOUT) {
            Ok(answer) => return Ok(Some(answer.as_str()?.to_owned())),
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                println!("  no answer in {} ms, asking again", TIMEOUT.as_millis());
            }
            Err(error) if error.kind() == ErrorKind::PeerLost => {
                println!("  the server has died, asking again");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// A server as they are: it forgets, it dies and is started anew, and one day it is not.
fn server(mut rep: Rep, at: &Endpoint) -> Result<(), hubless::Error> {
    let (mut has_forgotten, mut has_died) = (false, false);
    loop {
        let (request, responder) = rep.recv()?;
        let text = request.as_str().unwrap_or_default();
        match text.parse::<u32>().unwrap_or(0) {
            3 if !has_forgotten => has_forgotten = true, // the asker hears nothing
            4 if !has_died => {
                has_died = true;
                drop(rep);
                rep = Rep::new()?;
                rep.bind(at)?;
            }
            6 => return Ok(()),
            number => {
                responder.reply((number * number).to_string());
            }
        }
    }
}
