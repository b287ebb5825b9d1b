//! Hello: a question, and its one answer.
//!
//! ```text
//!   client                                server
//!    Req ─────────── "Ann" ─────────────► Rep
//!        ◄────────── "hello Ann" ────────
//! ```
//!
//! Here the two are threads. In two programs they would say the same lines, with an endpoint that
//! both know instead of port 0, and either could be started first.
//!
//! ```sh
//! cargo run --example hello
//! ```

use std::{error::Error, thread};

use hubless::{Rep, Req};

const NAMES: [&str; 3] = ["Ann", "Bob", "王明"];

fn main() -> Result<(), Box<dyn Error>> {
    let rep = Rep::new()?;
    let at = rep.bind("tcp://127.0.0.1:0")?; // port 0: the system picks one, `at` says which
    println!("the server listens");

    let server = thread::spawn(move || {
        for (request, responder) in rep.iter().take(NAMES.len()) {
            let name = request.as_str().unwrap_or("stranger");
            responder.reply(format!("hello {name}"));
        }
        // `rep` is dropped here; the last answer still leaves.
    });

    let req = Req::new()?;
    req.connect(&at)?;
    for name in NAMES {
        let answer = req.request(name)?;
        println!("  {name} → {}", answer.as_str()?);
    }

    server.join().expect("the server does not panic");
    println!("the server has gone home");
    Ok(())
}
