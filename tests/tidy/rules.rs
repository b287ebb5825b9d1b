//! The rules of the house, each a function over one source and a pair of examples.
//!
//! A rule stands in [`RULES`] with files that break it and twins that do not; the test in
//! `tests/tidy.rs` runs every rule over its own examples, so a rule that cannot fail does not
//! live long. A message says where, which rule, and what to write instead.

use std::fmt;

use super::source::{Source, Token};

/// What a rule found.
pub struct Fault {
    pub path: String,
    pub line: usize,
    pub rule: &'static str,
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault {
            path,
            line,
            rule,
            what,
        } = self;
        write!(f, "{path}:{line}: [{rule}] {what}")
    }
}

/// One rule: the lines it objects to and what to do instead, and its examples.
pub struct Rule {
    pub name: &'static str,
    check: fn(&Source) -> Vec<(usize, String)>,
    /// Files, as path and text, in each of which the rule finds exactly one fault.
    pub planted: &'static [(&'static str, &'static str)],
    /// Their twins, in which it finds none.
    pub clean: &'static [(&'static str, &'static str)],
}

impl Rule {
    /// What is wrong with `source`.
    pub fn faults(&self, source: &Source) -> Vec<Fault> {
        let fault = |(line, what)| Fault {
            path: source.path.clone(),
            line,
            rule: self.name,
            what,
        };
        (self.check)(source).into_iter().map(fault).collect()
    }
}

/// The rooms of each floor, from the ground up.
const FLOORS: [&[&str]; 5] = [
    &["base"],
    &["pipe", "wire", "reactor"],
    &["pattern", "engine", "transport"],
    &["core"],
    &["api"],
];

/// Rooms that know octets and time only as arguments.
const SANS_IO: [&str; 5] = ["base", "wire", "pipe", "engine", "pattern"];

/// Where `unsafe` may stand, and why.
const UNSAFE_PLACES: [&str; 5] = [
    "src/base/sync/biased.rs",    // the lock of a socket, for who uses it alone
    "src/transport/sys.rs",       // system calls that std and mio do not offer
    "src/pipe/queue.rs",          // a queue between two threads
    "capi",                       // the C ABI
    "fuzz/fuzz_targets/calls.rs", // and who calls it
];

/// The most lines a file of `src` may have.
const LINES_MAX: usize = 600;

pub const RULES: &[Rule] = &[
    Rule {
        name: "floors",
        check: floors,
        planted: &[
            ("src/wire/frame.rs", "use crate::pipe::lane::Lane;"),
            (
                "src/base/time.rs",
                "use crate::{base::error, core::Socket};",
            ),
            ("src/engine/mod.rs", "fn f() { crate::transport::open() }"),
            ("src/pattern/pair.rs", "use super::super::core::Socket;"),
            ("src/pipe/mod.rs", "mod tests { use super::super::api; }"),
            ("src/attic/mod.rs", "use crate::base::time;"),
            ("src/core/mod.rs", "use crate::attic::Trunk;"),
            ("src/core/mod.rs", "use crate::Message;"),
        ],
        clean: &[
            ("src/wire/frame.rs", "use crate::base::error::Error;"),
            ("src/base/time.rs", "use crate::{base::error, base::sync};"),
            ("src/engine/mod.rs", "fn f() { crate::wire::open() }"),
            ("src/pattern/pair.rs", "use super::super::pipe::lane;"),
            ("src/pipe/mod.rs", "mod tests { use super::lane::core; }"),
            ("src/core/mod.rs", "use crate::transport::metal;"),
            ("src/lib.rs", "pub use api::Push; use crate::core::Socket;"),
        ],
    },
    Rule {
        name: "lib.rs",
        check: only_names,
        planted: &[
            ("src/lib.rs", "mod api;\nfn version() -> u32 { 1 }"),
            ("src/lib.rs", "impl Foo for Bar {}"),
        ],
        clean: &[(
            "src/lib.rs",
            "mod api;\npub use api::Push;\npub mod internals { pub fn f() {} }",
        )],
    },
    Rule {
        name: "sans-IO",
        check: sans_io,
        planted: &[
            ("src/pipe/lane.rs", "use std::{thread, fmt};"),
            ("src/wire/frame.rs", "use std::net::{IpAddr, TcpStream};"),
            ("src/base/endpoint.rs", "fn f() { std::fs::read(p); }"),
            ("src/engine/mod.rs", "use std::time::{Duration, Instant};"),
            ("src/engine/mod.rs", "use std::time::SystemTime;"),
            ("src/pattern/mod.rs", "use libc::EAGAIN;"),
        ],
        clean: &[
            ("src/pipe/lane.rs", "use std::{fmt, mem};"),
            ("src/wire/frame.rs", "use std::net::{IpAddr, SocketAddr};"),
            (
                "src/base/endpoint.rs",
                "// as std::fs::read would\nfn f() {}",
            ),
            ("src/engine/mod.rs", "use crate::base::time::Time;"),
            ("src/engine/mod.rs", "use std::time::Duration;"),
            ("src/base/error.rs", "use libc::EAGAIN;"),
            ("src/base/sync.rs", "use std::{thread, time::Instant};"),
            (
                "src/pipe/lane.rs",
                "#[cfg(test)] mod tests { use std::thread; }",
            ),
        ],
    },
    Rule {
        name: "metal",
        check: through_the_metal,
        planted: &[
            ("src/core/dialer.rs", "use mio::net::TcpStream;"),
            ("src/api/poller.rs", "fn f(s: socket2::Socket) {}"),
            ("src/reactor/mod.rs", "fn f() { std::thread::spawn(g); }"),
            ("src/core/mod.rs", "fn f() { thread::Builder::new(); }"),
            ("src/api/mod.rs", "fn f() { let t = Instant::now(); }"),
            ("src/core/mod.rs", "fn f() { std::time::SystemTime::now() }"),
        ],
        clean: &[
            ("src/transport/tcp.rs", "use mio::net::TcpStream;"),
            ("src/transport/tcp.rs", "fn f() { thread::spawn(g); }"),
            ("src/transport/tcp.rs", "fn f() { Instant::now(); }"),
            ("src/base/sync/park.rs", "fn f() { Instant::now(); }"),
            ("src/core/dialer.rs", "fn f(m: &dyn Metal) { m.now(); }"),
            (
                "src/core/mod.rs",
                "#[cfg(test)] mod tests { fn f() { std::thread::spawn(g); } }",
            ),
            ("benches/throughput.rs", "fn f() { Instant::now(); }"),
        ],
    },
    Rule {
        name: "sleep",
        check: no_sleep,
        planted: &[
            ("src/transport/mod.rs", "fn f() { std::thread::sleep(d); }"),
            ("tests/lifecycle.rs", "fn f() { thread::sleep(d); }"),
            ("tests/lifecycle.rs", "use std::thread::{sleep, spawn};"),
            (
                "src/core/mod.rs",
                "fn f() { thread::sleep(d); } // tidy: owned time",
            ),
        ],
        clean: &[
            ("src/transport/mod.rs", "fn f() { selector.poll(r, t); }"),
            (
                "tests/lifecycle.rs",
                "fn f() { thread::sleep(d); } // tidy: owned time",
            ),
            ("examples/pipeline.rs", "fn f() { thread::sleep(d); }"),
        ],
    },
    Rule {
        name: "hash order",
        check: no_hash_order,
        planted: &[
            (
                "src/core/socket.rs",
                "struct S { peers: HashMap<u8, u8> }\nfn f(s: S) { s.peers.values(); }",
            ),
            (
                "src/core/socket.rs",
                "struct S { peers: Mutex<HashSet<u8>> }\nfn f(s: S) { s.peers.lock().iter(); }",
            ),
            (
                "src/pattern/x.rs",
                "fn f() { let mut seen = HashMap::new(); for x in &mut seen {} }",
            ),
            (
                "src/pattern/x.rs",
                "fn f(seen: &HashMap<u8, u8>) { for (a, b) in seen {} }",
            ),
        ],
        clean: &[
            (
                "src/core/socket.rs",
                "struct S { peers: HashMap<u8, u8> }\nfn f(s: S) { s.peers.get(&1); }",
            ),
            (
                "src/core/socket.rs",
                "struct S { peers: BTreeMap<u8, u8> }\nfn f(s: S) { s.peers.values(); }",
            ),
            (
                "src/core/socket.rs",
                "struct S { peers: HashMap<u8, u8> }\n\
                 fn f(s: S) { s.peers.values().sum() } // tidy: any order",
            ),
            (
                "src/transport/x.rs",
                "fn f(seen: &HashMap<u8, u8>) { for (a, b) in seen {} }",
            ),
        ],
    },
    Rule {
        name: "unsafe",
        check: unsafe_is_listed,
        planted: &[
            (
                "src/core/mod.rs",
                "// SAFETY: no\nfn f() { unsafe { g() } }",
            ),
            ("src/transport/sys.rs", "fn f() {\n    unsafe { g() }\n}"),
            ("src/transport/sys.rs", "unsafe impl Send for X {}"),
            ("capi/src/lib.rs", "pub unsafe extern \"C\" fn f() {}"),
        ],
        clean: &[
            (
                "src/transport/sys.rs",
                "fn f() {\n    // SAFETY: g is told the truth.\n    unsafe { g() }\n}",
            ),
            (
                "src/transport/sys.rs",
                "fn f() {\n    // SAFETY: the same.\n    let x =\n        unsafe { g() };\n}",
            ),
            (
                "capi/src/lib.rs",
                "/// # Safety\n/// `x` points to something.\n#[unsafe(no_mangle)]\n\
                 pub unsafe extern \"C\" fn f(g: unsafe extern \"C\" fn(u8)) {}",
            ),
        ],
    },
    Rule {
        name: "guarded",
        check: through_the_door,
        planted: &[
            (
                "capi/src/clock.rs",
                "#[unsafe(no_mangle)]\npub extern \"C\" fn zmq_sleep(n: c_int) {\n    sleep(n);\n}\n",
            ),
            (
                "capi/src/clock.rs",
                "pub extern \"C\" fn zmq_sleep() {\n    guarded((), || Ok(()))\n}\n\n\
                 pub unsafe extern \"C\" fn zmq_nap(\n    n: c_int,\n) {\n    zmq_(n);\n}\n",
            ),
        ],
        clean: &[
            (
                "capi/src/clock.rs",
                "pub extern \"C\" fn zmq_sleep(n: c_int) {\n    guarded((), || Ok(sleep(n)))\n}\n",
            ),
            (
                "capi/src/clock.rs",
                "pub unsafe extern \"C\" fn zmq_term(\n    c: C,\n) -> c_int {\n    \
                 unsafe { zmq_ctx_term(c) }\n}\n",
            ),
            ("capi/tests/x.rs", "extern \"C\" fn zmq_x() {\n}\n"),
        ],
    },
    Rule {
        name: "header",
        check: begins_with_a_header,
        planted: &[
            ("src/pipe/lane.rs", "use std::fmt;\n//! late"),
            ("examples/tour.rs", "// The tour.\nfn main() {}"),
        ],
        clean: &[
            ("src/pipe/lane.rs", "//! A lane.\nuse std::fmt;"),
            ("examples/tour.rs", "//! The tour.\nfn main() {}"),
        ],
    },
    Rule {
        name: "length",
        check: can_be_read_in_one_sitting,
        planted: &[("src/core/socket.rs", LONG)],
        clean: &[("tests/engine_pair.rs", LONG), ("src/core/socket.rs", "\n")],
    },
    Rule {
        name: "loose ends",
        check: no_loose_ends,
        planted: &[
            ("src/core/mod.rs", "fn f() { todo!() }"),
            ("src/core/mod.rs", "fn f() { unimplemented!(\"x\") }"),
            ("src/core/mod.rs", "fn f() { dbg!(x); }"),
            ("src/core/mod.rs", "fn f() { println!(\"{x}\"); }"),
            ("tests/lifecycle.rs", concat!("// FIX", "ME: rare failure")),
            ("README.md", concat!("a X", "XX b")),
        ],
        clean: &[
            (
                "src/core/mod.rs",
                "/// `println!(\"x\")`\nfn f() { debug!(); }",
            ),
            ("examples/tour.rs", "fn f() { println!(\"{x}\"); }"),
            (
                "src/core/mod.rs",
                "#[cfg(test)] mod tests { fn f() { println!(\"seed\"); } }",
            ),
            ("tests/lifecycle.rs", "// fixed"),
        ],
    },
    Rule {
        name: "internals",
        check: internals_stay_inside,
        planted: &[
            ("examples/tour.rs", "use hubless::internals::base;"),
            ("capi/src/lib.rs", "#[cfg(feature = \"internals\")] mod x;"),
            ("src/core/mod.rs", "#[cfg(feature = \"internals\")] mod x;"),
            (
                "Cargo.toml",
                "[features]\ndefault = [\"internals\"]\ninternals = []",
            ),
            (
                "capi/Cargo.toml",
                "[dependencies]\nhubless = { path = \"..\", features = [\"internals\"] }",
            ),
        ],
        clean: &[
            ("tests/wire_vectors.rs", "use hubless::internals::base;"),
            ("src/lib.rs", "#[cfg(feature = \"internals\")] mod x;"),
            ("src/core/mod.rs", "//! The socket's internals.\nmod x;"),
            (
                "Cargo.toml",
                "[features]\ndefault = []\ninternals = []\n[dev-dependencies]\n\
                 hubless = { path = \".\", features = [\"internals\"] }",
            ),
            (
                "fuzz/Cargo.toml",
                "[dependencies]\nhubless = { path = \"..\", features = [\"internals\"] }",
            ),
        ],
    },
];

/// A file of 601 lines.
const LONG: &str = {
    const LINES: [u8; LINES_MAX + 1] = [b'\n'; LINES_MAX + 1];
    match std::str::from_utf8(&LINES) {
        Ok(text) => text,
        Err(_) => unreachable!(),
    }
};

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// A room imports from floors strictly below its own, and from itself.
fn floors(source: &Source) -> Vec<(usize, String)> {
    let Some(here) = source.room() else {
        return Vec::new();
    };
    let Some(floor) = floor_of(here) else {
        return vec![(
            1,
            format!("no floor is known for the room `{here}`: give it one in tests/tidy/rules.rs"),
        )];
    };
    let mut faults = Vec::new();
    for path in &source.paths {
        let supers = path.segments.iter().take_while(|s| *s == "super").count();
        let to_the_root = source.modules_deep() + path.depth;
        let named = match path.segments[0].as_str() {
            "crate" => path.segments.get(1),
            "super" if supers >= to_the_root => path.segments.get(supers),
            _ => None,
        };
        let Some(named) = named.filter(|named| *named != here) else {
            continue;
        };
        let what = match floor_of(named) {
            Some(below) if below < floor => continue,
            Some(above) if above > floor => format!(
                "`{here}` names `{named}`, which stands above it: take what is needed as an \
                 argument, or answer by return value"
            ),
            Some(_) => format!(
                "`{here}` names its neighbour `{named}`: move the shared word down to `base`, or \
                 let `core` join the two"
            ),
            None => format!(
                "`{}` is not a room: name the room it lives in, e.g. `crate::base::message::Message`",
                path.joined()
            ),
        };
        faults.push((path.line, what));
    }
    faults
}

/// lib.rs declares rooms and names what they offer; the internals module is its only exception.
fn only_names(source: &Source) -> Vec<(usize, String)> {
    if source.path != "src/lib.rs" {
        return Vec::new();
    }
    let outside = source.tokens.iter().filter(|token| token.depth == 0);
    outside
        .filter(|token| token.is("fn") || token.is("impl"))
        .map(|token| {
            let what = format!(
                "`{}` in lib.rs: move it to a room and re-export it",
                token.text
            );
            (token.line, what)
        })
        .collect()
}

/// The messaging and protocol rooms do not name the outside world.
fn sans_io(source: &Source) -> Vec<(usize, String)> {
    let own = source.room().is_some_and(|room| SANS_IO.contains(&room));
    if !own {
        return Vec::new();
    }
    const PASSED_IN: &str = "`base::time::Time` as an argument; hand deadlines back";
    const BANNED: [(&[&str], &str); 9] = [
        (&["std", "thread"], "`base::sync`, or leave it to `core`"),
        (&["std", "time", "Instant"], PASSED_IN),
        (&["std", "time", "SystemTime"], PASSED_IN),
        (&["std", "net", "TcpStream"], "octets in, octets out"),
        (&["std", "net", "TcpListener"], "octets in, octets out"),
        (&["std", "net", "UdpSocket"], "octets in, octets out"),
        (&["std", "os", "unix", "net"], "octets in, octets out"),
        (&["std", "fs"], "what was read, as an argument"),
        (
            &["libc"],
            "`std::io::ErrorKind`, or a word of `base/error.rs`",
        ),
    ];
    let mut faults = Vec::new();
    for path in &source.paths {
        let excepted = match path.segments[0].as_str() {
            "libc" => names_system_constants(source),
            _ => path.in_tests || in_sync(source),
        };
        let banned = BANNED.iter().find(|(start, _)| path.begins(start));
        if let Some((_, instead)) = banned.filter(|_| !excepted) {
            let room = source.room().unwrap_or_default();
            let what = format!("`{}` in sans-IO `{room}`: use {instead}", path.joined());
            faults.push((path.line, what));
        }
    }
    faults
}

/// Files of `base` that may name numbers of the system, errnos and the length of a path, without
/// calling it.
fn names_system_constants(source: &Source) -> bool {
    source.path == "src/base/error.rs" || source.path.starts_with("src/base/endpoint")
}

/// Only `transport` touches the system; everybody else goes through the metal, so that a
/// simulated one owns threads, time and octets.
fn through_the_metal(source: &Source) -> Vec<(usize, String)> {
    if !source.is_in("src") || source.is_in("src/transport") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for path in &source.paths {
        let crates = path.begins(&["mio"]) || path.begins(&["socket2"]);
        let threads = ["spawn", "Builder", "scope"]
            .iter()
            .any(|way| path.contains(&["thread", way]));
        let clocks = path.contains(&["Instant", "now"]) || path.contains(&["SystemTime", "now"]);
        let owned = path.in_tests || in_sync(source);
        let instead = match (crates, threads && !owned, clocks && !owned) {
            (true, _, _) => "the traits of `reactor::metal`; only `transport` knows the crate",
            (_, true, _) => "`Metal::run` or `Metal::resolve`: the metal owns the threads",
            (_, _, true) => "`Metal::now`: the metal owns the clock",
            _ => continue,
        };
        faults.push((path.line, format!("`{}`: use {instead}", path.joined())));
    }
    faults
}

/// Locks, parking and what tests them: `src/base/sync.rs`, `src/base/sync/…`, `src/base/sync_….rs`.
fn in_sync(source: &Source) -> bool {
    source.path.starts_with("src/base/sync")
}

/// Nobody sleeps to be lucky.
fn no_sleep(source: &Source) -> Vec<(usize, String)> {
    let own = source.is_in("src");
    if !own && !source.is_in("tests") {
        return Vec::new();
    }
    let sleeps = source
        .paths
        .iter()
        .filter(|path| path.contains(&["thread", "sleep"]));
    sleeps
        .filter(|path| own || !source.excused(path.line, "owned time"))
        .map(|path| {
            let instead = if own {
                "park in `base::sync`, or give the selector a timeout"
            } else {
                "wait for an event with a timeout, or own the clock and say `// tidy: owned time`"
            };
            (path.line, format!("`{}`: {instead}", path.joined()))
        })
        .collect()
}

/// The order of a hash table differs from run to run, and a run must replay from its seed.
///
/// Found are names that this file declares with a hash table in their type (fields, arguments,
/// `let`) and later walks through, straight or behind calls without arguments (`.lock()`). A table
/// that hides behind a second name is not found.
fn no_hash_order(source: &Source) -> Vec<(usize, String)> {
    if !source.is_in("src") || source.is_in("src/transport") {
        return Vec::new();
    }
    let tokens = &source.tokens;
    let tables: Vec<&str> = (0..tokens.len())
        .filter(|&i| tokens[i].is("HashMap") || tokens[i].is("HashSet"))
        .filter_map(|i| declared_with(&tokens[..i]))
        .collect();
    let mut faults = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let walked = tables.contains(&token.text.as_str())
            && (walks(&tokens[i + 1..]) || looped_over(&tokens[..i], &tokens[i + 1..]));
        if walked && !token.in_tests && !source.excused(token.line, "any order") {
            let what = format!(
                "`{}` is walked in hash order: keep it in a `BTreeMap` or a slab, or say \
                 `// tidy: any order` where the order cannot be seen",
                token.text
            );
            faults.push((token.line, what));
        }
    }
    faults
}

/// The name that is being declared when a type or constructor begins behind these tokens.
fn declared_with(before: &[Token]) -> Option<&str> {
    let mut i = before.len();
    while i > 0 {
        i -= 1;
        match before[i].text.as_str() {
            ":" | "=" if i > 0 && before[i - 1].is_word() => return Some(&before[i - 1].text),
            ";" | "{" | "}" | "(" | ")" | ":" | "=" => return None,
            _ => {}
        }
    }
    None
}

/// Does a walk follow: `.iter()`, `.lock().keys()` …?
fn walks(after: &[Token]) -> bool {
    const WALKS: [&str; 10] = [
        "iter",
        "iter_mut",
        "into_iter",
        "keys",
        "into_keys",
        "values",
        "values_mut",
        "into_values",
        "drain",
        "retain",
    ];
    match after {
        [dot, call, open, ..] if dot.is(".") && open.is("(") => {
            WALKS.contains(&call.text.as_str())
                || (after.get(3).is_some_and(|token| token.is(")")) && walks(&after[4..]))
        }
        _ => false,
    }
}

/// Does the name stand in `for … in &mut self.NAME {`?
fn looped_over(before: &[Token], after: &[Token]) -> bool {
    let behind = |token: &&Token| {
        token.is(".") || token.is("self") || token.is("&") || token.is("mut") || token.is_word()
    };
    let mut backwards = before.iter().rev().take_while(behind);
    after.first().is_some_and(|token| token.is("{")) && backwards.any(|token| token.is("in"))
}

/// `unsafe` stands in few files, and above each block what makes it sound.
fn unsafe_is_listed(source: &Source) -> Vec<(usize, String)> {
    let listed = UNSAFE_PLACES.iter().any(|place| source.is_in(place));
    let mut faults = Vec::new();
    for (i, token) in source.tokens.iter().enumerate() {
        if !token.is("unsafe") {
            continue;
        }
        let follows = |distance: usize| source.tokens.get(i + distance).map(|t| t.text.as_str());
        let word = ["fn", "{", "("].into_iter().find(|word| {
            // `unsafe extern "C" fn`: the keyword that decides is two further on.
            let distance = if follows(1) == Some("extern") { 3 } else { 1 };
            follows(distance) == Some(word)
        });
        let is_type = word == Some("fn") && (follows(2) == Some("(") || follows(4) == Some("("));
        if !listed {
            let what =
                format!("not in this file: use a safe call, or add one to {UNSAFE_PLACES:?}");
            faults.push((token.line, what));
        } else if word == Some("fn") && !is_type && !noted(source, token.line, "# Safety") {
            let what = "without a `/// # Safety` section: say what the caller must hold to";
            faults.push((token.line, what.to_string()));
        } else if !matches!(word, Some("fn" | "(")) && !noted(source, token.line, "SAFETY:") {
            let what = "without `// SAFETY:` above it: say what must hold and who made it hold";
            faults.push((token.line, what.to_string()));
        }
    }
    faults
}

/// Does a comment with `note` stand on this line, or above the statement it is part of?
fn noted(source: &Source, line: usize, note: &str) -> bool {
    let mut in_comment = false;
    for above in (1..=line).rev() {
        let text = source.line(above).trim();
        let comment = text.starts_with("//");
        if text.contains(note) && (comment || above == line) {
            return true;
        }
        let ends_before = text.is_empty() || text.ends_with([';', '{', '}']);
        if above < line && !comment && (in_comment || ends_before) {
            return false;
        }
        in_comment |= comment;
    }
    false
}

/// Each file says what it is before anything else.
/// What C calls goes through `capi/src/entry.rs`, where unwinding ends, or calls what does.
fn through_the_door(source: &Source) -> Vec<(usize, String)> {
    if !source.is_in("capi/src") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let mut lines = source.text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if !line.contains("extern \"C\" fn zmq_") {
            continue;
        }
        let mut body = lines.by_ref().map(|(_, line)| line);
        let body: Vec<&str> = body.by_ref().take_while(|line| *line != "}").collect();
        let through = ["guarded(", "status(", "unsafe { zmq_"];
        if !body
            .iter()
            .any(|line| through.iter().any(|it| line.contains(it)))
        {
            let what = "unwinding would leave it: use `guarded` or `status` of capi/src/entry.rs";
            faults.push((number + 1, what.to_owned()));
        }
    }
    faults
}

fn begins_with_a_header(source: &Source) -> Vec<(usize, String)> {
    if !source.path.ends_with(".rs") || source.line(1).starts_with("//!") {
        return Vec::new();
    }
    let what = "the first line must be a `//!` header: what it is, why here, what it must not know";
    vec![(1, what.to_string())]
}

fn can_be_read_in_one_sitting(source: &Source) -> Vec<(usize, String)> {
    let lines = source.text.lines().count();
    if !source.is_in("src") || lines <= LINES_MAX {
        return Vec::new();
    }
    let what = format!("{lines} lines, {LINES_MAX} at most: split it where it has two subjects");
    vec![(LINES_MAX + 1, what)]
}

/// Nothing half done is left behind, nothing is printed by the library.
fn no_loose_ends(source: &Source) -> Vec<(usize, String)> {
    const MACROS: [(&str, &str); 7] = [
        ("todo", "do it, or leave the whole thing out"),
        ("unimplemented", "do it, or return an error"),
        ("dbg", "`log::trace!`, without payloads"),
        ("println", "`log::debug!`; a library does not print"),
        ("print", "`log::debug!`; a library does not print"),
        ("eprintln", "`log::warn!`; a library does not print"),
        ("eprint", "`log::warn!`; a library does not print"),
    ];
    const MARKS: [&str; 3] = [
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("TO", "DO"),
    ];
    let mut faults = Vec::new();
    for pair in source.tokens.windows(2).filter(|pair| pair[1].is("!")) {
        let found = MACROS.iter().find(|(name, _)| pair[0].is(name));
        // A test may print its seed.
        let ours = source.is_in("src") && !(pair[0].in_tests && pair[0].text.contains("print"));
        if let Some((name, instead)) = found.filter(|_| ours) {
            faults.push((pair[0].line, format!("`{name}!`: {instead}")));
        }
    }
    for (index, text) in source.text.lines().enumerate() {
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        if let Some(mark) = words.find(|word| MARKS.contains(word)) {
            let what = format!("`{mark}`: do it now, or open an issue and take the line out");
            faults.push((index + 1, what));
        }
    }
    faults
}

/// The feature `internals` is for our own tests, benches and fuzz targets.
fn internals_stay_inside(source: &Source) -> Vec<(usize, String)> {
    let free = ["tests", "benches", "fuzz", "src/lib.rs"];
    if free.iter().any(|place| source.is_in(place)) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let manifest = source.path.ends_with("Cargo.toml");
    let mut section = "";
    for (index, line) in source.text.lines().enumerate() {
        if line.starts_with('[') {
            section = line;
        }
        let allowed_in_manifest = match section {
            "[features]" => line.starts_with("internals"),
            "[dev-dependencies]" | "[[test]]" | "[[bench]]" => true,
            _ => line.starts_with('#'),
        };
        let code = line.split("//").next().unwrap_or(line);
        let named = if manifest {
            line.contains("internals") && !allowed_in_manifest
        } else {
            source.path.ends_with(".rs")
                && (code.contains("\"internals\"") || code.contains("internals::"))
        };
        if named {
            let what = "the feature `internals` is for tests, benches and fuzz: use the public API";
            faults.push((index + 1, what.to_string()));
        }
    }
    faults
}

/// ARCHITECTURE.md answers at least twenty questions with places, and each of them exists.
///
/// Not in [`RULES`], since it asks for other files: `exists` says which paths there are.
pub fn questions_have_answers(source: &Source, exists: impl Fn(&str) -> bool) -> Vec<Fault> {
    let fault = |line, what| Fault {
        path: source.path.clone(),
        line,
        rule: "questions",
        what,
    };
    let lines = || {
        source
            .text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line))
    };
    let heading = lines().find(|(_, line)| {
        line.starts_with('#') && line.to_lowercase().contains("twenty questions")
    });
    let Some((heading, _)) = heading else {
        return Vec::new();
    };
    let table = lines()
        .skip(heading)
        .take_while(|(_, line)| !line.starts_with('#'))
        .filter(|(_, line)| line.starts_with('|'));
    let mut faults = Vec::new();
    let mut rows = 0;
    // The table's head and the line below it are not questions.
    for (at, line) in table.skip(2) {
        rows += 1;
        let places: Vec<&str> = line
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| is_path(name))
            .collect();
        if places.is_empty() {
            faults.push(fault(
                at,
                "no place in this row: name a file in backticks".into(),
            ));
        }
        for place in places.iter().filter(|place| !exists(place)) {
            faults.push(fault(
                at,
                format!("`{place}` does not exist: name where it is now"),
            ));
        }
    }
    if rows < 20 {
        let what = format!("{rows} questions under this heading: twenty at least");
        faults.push(fault(heading, what));
    }
    faults
}

/// What a document calls by its path is there: `src/…`, `tests/…` and so on, in backticks. So a
/// table that says which test shows a claim cannot outlive the test.
///
/// Not in [`RULES`], since it asks for other files. The changelog may speak of what is gone.
pub fn places_exist(source: &Source, exists: impl Fn(&str) -> bool) -> Vec<Fault> {
    const FOLDERS: [&str; 8] = [
        "src", "tests", "examples", "benches", "capi", "cli", "fuzz", "ci",
    ];
    if !source.path.ends_with(".md") || source.path == "CHANGELOG.md" {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        for name in line.split('`').skip(1).step_by(2) {
            let folder = name.split_once('/').map(|(folder, _)| folder);
            let ours = folder.is_some_and(|folder| FOLDERS.contains(&folder)) && is_path(name);
            if ours && !exists(name) {
                faults.push(Fault {
                    path: source.path.clone(),
                    line: index + 1,
                    rule: "places",
                    what: format!("`{name}` does not exist: name where it is now"),
                });
            }
        }
    }
    faults
}

/// A path from the project's root, as prose writes it.
fn is_path(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let file = [".rs", ".md", ".toml"]
        .iter()
        .any(|end| name.ends_with(end));
    name.chars().all(plain) && (file || name.contains('/'))
}
