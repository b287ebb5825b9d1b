//! A tap on the line: between one side that connects and one that is bound it passes all octets
//! on, tells which commands go by, and can go silent.
//!
//! ```text
//!   connects ──► Tap ──► bound            each connection: two threads, one a direction
//!            ◄──     ◄──
//! ```

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use super::LIMIT;

/// Which way something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the side that is bound.
    There,
    /// To the side that has connected.
    Back,
}

/// A running tap. It passes on what it accepts until the test ends.
pub struct Tap {
    endpoint: String,
    commands: Receiver<(Way, String)>,
    /// Connections up to this one are silent.
    silent: Arc<AtomicU64>,
    accepted: Arc<AtomicU64>,
}

impl Tap {
    /// Leads to `endpoint`, e.g. `tcp://127.0.0.1:5555`.
    pub fn to(endpoint: &str) -> Tap {
        let target = endpoint
            .strip_prefix("tcp://")
            .expect("over tcp")
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let (sender, commands) = channel();
        let silent = Arc::new(AtomicU64::new(0));
        let accepted = Arc::new(AtomicU64::new(0));
        let tap = Tap {
            endpoint: format!("tcp://{address}"),
            commands,
            silent: Arc::clone(&silent),
            accepted: Arc::clone(&accepted),
        };
        thread::spawn(move || {
            for from in listener.incoming() {
                let number = accepted.fetch_add(1, Ordering::SeqCst) + 1;
                let (Ok(from), Ok(to)) = (from, TcpStream::connect(&target)) else {
                    continue;
                };
                for way in [Way::There, Way::Back] {
                    let (from, to) = (from.try_clone().expect("one"), to.try_clone().expect("one"));
                    let (reader, writer) = match way {
                        Way::There => (from, to),
                        Way::Back => (to, from),
                    };
                    let (sender, silent) = (sender.clone(), Arc::clone(&silent));
                    thread::spawn(move || {
                        let is_silent = || number <= silent.load(Ordering::SeqCst);
                        // It ends with an error as often as with an end.
                        let _ = pass(&reader, &writer, way, &sender, is_silent);
                        let _ = reader.shutdown(Shutdown::Both);
                        let _ = writer.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        tap
    }

    /// Where to connect.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The next command that goes by, whichever way.
    pub fn next(&self) -> (Way, String) {
        self.commands
            .recv_timeout(LIMIT)
            .expect("a command within the limit")
    }

    /// Waits until that many commands of that name have gone by, from now on.
    pub fn await_commands(&self, way: Way, name: &str, count: usize) {
        while self.commands.try_recv().is_ok() {}
        let mut seen = 0;
        while seen < count {
            let (went, command) = self.next();
            seen += usize::from(went == way && command == name);
        }
    }

    /// From now on nothing gets through on the connections there are. New ones work.
    pub fn silence(&self) {
        self.silent
            .store(self.accepted.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

/// Passes octets on until one side ends.
fn pass(
    mut reader: &TcpStream,
    mut writer: &TcpStream,
    way: Way,
    commands: &Sender<(Way, String)>,
    is_silent: impl Fn() -> bool,
) -> io::Result<()> {
    let mut greeting = [0; GREETING_OCTETS];
    // The two sides greet octet by octet, each waiting for the other's.
    for octet in &mut greeting {
        reader.read_exact(std::slice::from_mut(octet))?;
        writer.write_all(std::slice::from_ref(octet))?;
    }
    loop {
        let mut frame = vec![0];
        reader.read_exact(&mut frame)?;
        let (is_long, is_command) = (frame[0] & 2 != 0, frame[0] & 4 != 0);
        let mut size = [0; 8];
        let digits = if is_long {
            &mut size[..]
        } else {
            &mut size[7..]
        };
        reader.read_exact(digits)?;
        frame.extend_from_slice(digits);
        let head = frame.len();
        frame.resize(
            head + usize::try_from(u64::from_be_bytes(size)).expect("small"),
            0,
        );
        reader.read_exact(&mut frame[head..])?;
        if is_silent() {
            continue;
        }
        if is_command {
            // Told before it is passed on: what answers it is told later.
            let name = &frame[head + 1..][..frame[head].into()];
            let name = String::from_utf8(name.into()).expect("a name in ASCII");
            if commands.send((way, name)).is_err() {
                return Ok(());
            }
        }
        writer.write_all(&frame)?;
    }
}

/// A greeting since version 3.0 (RFC 23).
const GREETING_OCTETS: usize = 64;
