//! What all interop tests share: the peer, a Python program with libzmq sockets.
//!
//! ```text
//!   test ── Peer ── stdin ───► peer.py ── libzmq
//!             └──── stdout ◄──┘  one line, one answer
//! ```
//!
//! The test asks and waits for the answer; it never sleeps and hopes. What takes long is begun
//! with [`Peer::begin`] and its answer awaited later. Every wait has a limit, on both sides.

#![allow(dead_code)] // each test uses its part

pub mod sides;
pub mod tap;

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio, id},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

/// The limit of every wait that should not take long. Generous: the machine may be busy.
pub const LIMIT: Duration = Duration::from_secs(30);

/// [`LIMIT`], as the peer takes it.
const LIMIT_MS: u128 = LIMIT.as_millis();

/// A running Python program. It is killed when dropped.
pub struct Peer {
    process: Child,
    commands: Mutex<ChildStdin>,
    answers: Mutex<Receiver<String>>,
}

impl Peer {
    /// Starts one.
    pub fn start() -> Peer {
        let python = env::var("HUBLESS_PYTHON").unwrap_or_else(|_| "python3".into());
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/peer.py");
        let mut process = Command::new(&python)
            .args(["-u", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{python} cannot be started: {error}"));
        let output = BufReader::new(process.stdout.take().expect("piped"));
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Peer {
            commands: Mutex::new(process.stdin.take().expect("piped")),
            answers: Mutex::new(answers),
            process,
        }
    }

    /// Makes a socket of theirs, e.g. `("PUSH", &[("SNDHWM", "10")])`: values are JSON, octets as
    /// [`hex`] gives them.
    pub fn socket(&self, kind: &str, options: &[(&str, &str)]) -> Theirs<'_> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("{kind}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let options: Vec<_> = options
            .iter()
            .map(|(k, v)| format!(r#""{k}":{v}"#))
            .collect();
        let options = options.join(",");
        let theirs = Theirs { peer: self, name };
        theirs.ask(
            "make",
            &format!(r#""type":"{kind}","options":{{{options}}}"#),
        );
        theirs
    }

    /// Gives a command without waiting for its answer.
    pub fn begin(&self, command: &str) -> Answer<'_> {
        let mut commands = self.commands.lock().expect("no panic holding it");
        writeln!(commands, "{command}").unwrap_or_else(|error| panic!("{command}: {error}"));
        Answer {
            peer: self,
            command: command.into(),
        }
    }

    /// Kills it, as a crash would. Gives what it had answered by then, if anybody cares.
    pub fn kill(mut self) -> Vec<Fields> {
        self.end();
        let answers = self.answers.lock().expect("no panic holding it");
        // Ends when the thread that reads has come to the end of the pipe.
        answers.iter().map(Fields).collect()
    }

    /// Stops it: it lives, and does nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.process.id());
        let done = Command::new("sh").args(["-c", &command]).status();
        assert!(done.is_ok_and(|status| status.success()), "{command}");
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}

/// The answer to a command that was begun. Answers come in the order of the commands.
#[must_use = "the peer's failures are in its answers"]
pub struct Answer<'a> {
    peer: &'a Peer,
    command: String,
}

impl Answer<'_> {
    /// Waits for it; fails if the peer failed.
    pub fn get(self) -> Fields {
        self.next()
    }

    /// As [`get`](Answer::get), for a command that is answered again and again.
    pub fn next(&self) -> Fields {
        let answers = self.peer.answers.lock().expect("no panic holding it");
        // The peer has limits of its own: what it says when they are over says more.
        let line = answers
            .recv_timeout(LIMIT * 3)
            .unwrap_or_else(|error| panic!("no answer to {}: {error}", self.command));
        assert!(
            line.starts_with(r#"{"ok":true"#),
            "the peer, asked {}, said {line}",
            self.command
        );
        Fields(line)
    }
}

/// What the peer answered: a flat JSON object of numbers, plain text and lists of octets.
pub struct Fields(String);

impl Fields {
    /// A number.
    pub fn number(&self, name: &str) -> u64 {
        let value = self.value(name);
        let digits = value.find(|c: char| !c.is_ascii_digit()).expect("an end");
        value[..digits]
            .parse()
            .unwrap_or_else(|_| panic!("{name} in {}", self.0))
    }

    /// A text.
    pub fn text(&self, name: &str) -> String {
        let value = &self.value(name)[1..];
        value[..value.find('"').expect("an end quote")].into()
    }

    /// A list of octet strings; `None` if it is null.
    pub fn frames(&self) -> Option<Vec<Vec<u8>>> {
        let value = self.value("frames").strip_prefix('[')?;
        let list = &value[..value.find(']').expect("the end of the list")];
        let items = list.split(',').filter(|item| !item.is_empty());
        Some(items.map(|item| octets(item.trim_matches('"'))).collect())
    }

    fn value(&self, name: &str) -> &str {
        let key = format!(r#""{name}":"#);
        let at = self
            .0
            .find(&key)
            .unwrap_or_else(|| panic!("no {name} in {}", self.0));
        &self.0[at + key.len()..]
    }
}

/// A socket of theirs.
pub struct Theirs<'a> {
    peer: &'a Peer,
    name: String,
}

impl<'a> Theirs<'a> {
    /// Asks for a command on this socket; `arguments` are the members of a JSON object.
    pub fn ask(&self, what: &str, arguments: &str) -> Fields {
        self.begin(what, arguments).get()
    }

    /// As [`ask`](Theirs::ask), to be answered later.
    pub fn begin(&self, what: &str, arguments: &str) -> Answer<'a> {
        let comma = if arguments.is_empty() { "" } else { "," };
        self.peer.begin(&format!(
            r#"{{"do":"{what}","socket":"{}"{comma}{arguments}}}"#,
            self.name
        ))
    }

    /// As [`begin`](Theirs::begin), for a command that takes a limit.
    pub fn begin_within_limit(&self, what: &str, arguments: &str) -> Answer<'a> {
        let comma = if arguments.is_empty() { "" } else { "," };
        self.begin(what, &format!(r#"{arguments}{comma}"limit":{LIMIT_MS}"#))
    }

    /// As [`ask`](Theirs::ask), for a command that takes a limit.
    pub fn ask_within_limit(&self, what: &str, arguments: &str) -> Fields {
        self.begin_within_limit(what, arguments).get()
    }

    /// Binds; gives the endpoint to connect to.
    pub fn bind(&self, endpoint: &str) -> String {
        self.ask("bind", &format!(r#""endpoint":"{endpoint}""#))
            .text("endpoint")
    }

    /// Connects.
    pub fn connect(&self, endpoint: &str) {
        self.ask("connect", &format!(r#""endpoint":"{endpoint}""#));
    }

    /// Subscribes.
    pub fn subscribe(&self, topic: &[u8]) {
        self.ask("subscribe", &format!(r#""topic":{}"#, hex(topic)));
    }

    /// Takes a subscription back.
    pub fn unsubscribe(&self, topic: &[u8]) {
        self.ask("unsubscribe", &format!(r#""topic":{}"#, hex(topic)));
    }

    /// Begins to send `count` numbers.
    pub fn begin_send_numbers(&self, envelope: &[&[u8]], first: u64, count: u64) -> Answer<'a> {
        let envelope = hex_list(envelope);
        let run = format!(r#""envelope":{envelope},"first":{first},"count":{count}"#);
        self.begin_within_limit("send_numbers", &run)
    }

    /// Begins to receive `count` numbers.
    pub fn begin_recv_numbers(&self, first: u64, count: u64) -> Answer<'a> {
        let run = format!(r#""first":{first},"count":{count}"#);
        self.begin_within_limit("recv_numbers", &run)
    }

    /// Watches its connections from now on.
    pub fn monitor(&self) {
        self.ask("monitor", "");
    }

    /// Waits for an event by its name in zmq; gives its value.
    pub fn await_event(&self, name: &str) -> u64 {
        self.ask_within_limit("recv_event", &format!(r#""wanted":"{name}""#))
            .number("value")
    }

    /// How many events of that name there have been since the last one that was asked for.
    pub fn count_events(&self, name: &str) -> u64 {
        self.ask("count_events", &format!(r#""counted":"{name}""#))
            .number("count")
    }

    /// Closes it; what it has queued may leave for `linger_ms`.
    pub fn close(self, linger_ms: u64) {
        self.ask("close", &format!(r#""linger":{linger_ms}"#));
    }
}

/// Octets as the peer takes them: hexadecimal, in quotes.
pub fn hex(octets: &[u8]) -> String {
    let digits: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("\"{digits}\"")
}

/// Several of them.
pub fn hex_list<T: AsRef<[u8]>>(frames: &[T]) -> String {
    let frames: Vec<_> = frames.iter().map(|frame| hex(frame.as_ref())).collect();
    format!("[{}]", frames.join(","))
}

fn octets(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// The body of a numbered message.
pub fn number(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// A folder for the paths of a test, removed when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new, empty one.
    pub fn new() -> Scratch {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let unique = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("hubless-interop-{}-{unique}", id()));
        fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        Scratch(folder)
    }

    /// An endpoint that nobody else has.
    pub fn ipc(&self, name: &str) -> String {
        format!("ipc://{}/{name}", self.0.display())
    }

    /// Endpoints to bind, one of each transport.
    pub fn endpoints(&self, name: &str) -> [String; 2] {
        ["tcp://127.0.0.1:0".into(), self.ipc(name)]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
