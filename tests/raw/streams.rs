//! Streams of octets that a peer may say: good, recorded, mutated, cut, spliced and random.
//!
//! Everything follows from a seed. `HUBLESS_STREAM_SEED=n` replays stream `n` alone,
//! `HUBLESS_STREAM_TIMES=n` says `n` times as many.

use std::{fs, path::Path};

use hubless::SocketType;

use super::{command, frame, greeting, header, ready_with};

/// Marsaglia's xorshift with 64 bits.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        // Neighbouring seeds are to differ from the first number on.
        Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Evenly, 0 to `below` - 1.
    pub fn below(&mut self, below: usize) -> usize {
        ((self.next() >> 16) % below as u64) as usize
    }

    pub fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }

    fn octets(&mut self, most: usize) -> Vec<u8> {
        let count = self.below(most + 1);
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// The seed to replay, if the environment names one; else all of them.
pub fn seeds(count: u64) -> Vec<u64> {
    let number = |name| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse().expect("a number"))
    };
    match number("HUBLESS_STREAM_SEED") {
        Some(seed) => vec![seed],
        None => (0..count * number("HUBLESS_STREAM_TIMES").unwrap_or(1)).collect(),
    }
}

/// Says which seed failed.
pub struct Replay(pub u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.0;
            eprintln!("stream {seed} failed; HUBLESS_STREAM_SEED={seed} replays it alone");
        }
    }
}

/// What peers say in the files of `tests/vectors`: whom to, and the octets.
pub fn recordings() -> Vec<(SocketType, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let files = fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<_> = files.map(|file| file.expect("readable").path()).collect();
    files.sort();
    let mut recordings: Vec<(SocketType, Vec<u8>)> = Vec::new();
    for file in files {
        for line in fs::read_to_string(file).expect("the file is there").lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match (&words[..], recordings.last_mut()) {
                (["case", ..], _) => recordings.push((SocketType::Pair, Vec::new())),
                (["we", name, ..], Some((ours, _))) => {
                    *ours = SocketType::from_name(name.as_bytes()).expect("a type");
                }
                (["shake", name, revision], Some((_, said))) => {
                    let mut greeting = greeting();
                    greeting[11] = u8::from(*revision == "3.1");
                    said.extend(greeting);
                    said.extend(super::ready(name));
                }
                ([">", pieces @ ..], Some((_, said))) => {
                    pieces.iter().for_each(|piece| said.extend(octets(piece)));
                }
                _ => {}
            }
        }
    }
    // Large bodies teach nothing here that small ones do not, and take their time.
    recordings.retain(|(_, said)| said.len() < 10_000);
    recordings
}

/// Octets as the files write them: `61*255+00`.
pub fn octets(text: &str) -> Vec<u8> {
    let pieces = text.split('+').filter(|&piece| piece != "-");
    let piece = |piece: &str| {
        let (hex, times) = piece.split_once('*').unwrap_or((piece, "1"));
        let pairs = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
        let run = pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal"));
        let run: Vec<u8> = run.collect();
        run.repeat(times.parse().expect("a number"))
    };
    pieces.flat_map(piece).collect()
}

/// Types that `ours` talks with.
fn partners(ours: SocketType) -> Vec<SocketType> {
    let all = SocketType::ALL.into_iter();
    all.filter(|&theirs| ours.accepts(theirs)).collect()
}

/// The handshake of a good peer.
fn good_handshake(random: &mut Random, ours: SocketType) -> Vec<u8> {
    let theirs = random.pick(&partners(ours));
    if random.below(5) == 0 {
        return [&greeting()[..10], &[1, theirs.v2_octet(), 0, 2, b'i', b'd']].concat();
    }
    let mut octets = greeting();
    octets[11] = random.pick(&[0, 1]);
    let name = random.octets(3);
    let properties = [
        ("Socket-Type", theirs.name().as_bytes()),
        ("Identity", &name[..]),
    ];
    octets.extend(ready_with(&properties[..random.pick(&[1, 2])]));
    octets
}

/// Good words in traffic: messages, requests, subscriptions, heartbeats.
fn good_words(random: &mut Random) -> Vec<u8> {
    let mut octets = Vec::new();
    for _ in 0..random.below(12) {
        octets.extend(match random.below(8) {
            0 => command("PING", &[&[0, 0], &random.octets(16)[..]].concat()),
            1 => command("SUBSCRIBE", &random.octets(3)),
            2 => command("CANCEL", &random.octets(3)),
            3 => frame(0, &[&[1], &random.octets(3)[..]].concat()),
            4 => [frame(1, b""), frame(0, &random.octets(20))].concat(),
            5 => [frame(1, &random.octets(300)), frame(0, &random.octets(300))].concat(),
            6 => [header(0, 5), b"octet".to_vec()].concat(),
            _ => frame(0, &random.octets(70)),
        });
    }
    octets
}

/// A stream that is good from its first octet to its last, for a peer of `ours`.
pub fn good(random: &mut Random, ours: SocketType) -> Vec<u8> {
    [good_handshake(random, ours), good_words(random)].concat()
}

/// A stream that means harm.
pub fn bad(random: &mut Random, ours: SocketType, recordings: &[(SocketType, Vec<u8>)]) -> Vec<u8> {
    let for_us = recordings.iter().filter(|(whom, _)| *whom == ours);
    let for_us: Vec<&Vec<u8>> = for_us.map(|(_, said)| said).collect();
    let base = |random: &mut Random| match random.below(4) {
        0 => random.pick(recordings).1,
        1 if !for_us.is_empty() => random.pick(&for_us).clone(),
        _ => good(random, ours),
    };
    let mut stream = base(random);
    match random.below(8) {
        0 => stream = random.octets(300),
        1 => stream = [greeting(), random.octets(300)].concat(),
        2 => stream = [good_handshake(random, ours), random.octets(300)].concat(),
        3 => stream.truncate(random.below(stream.len() + 1)),
        4 => {
            let other = base(random);
            stream.truncate(random.below(stream.len() + 1));
            stream.extend(&other[random.below(other.len() + 1)..]);
        }
        _ => {
            for _ in 0..=random.below(6) {
                mutate(random, &mut stream);
            }
        }
    }
    stream
}

/// Where the frames behind a greeting of 64 octets begin, as far as they can be told.
fn frames(stream: &[u8]) -> Vec<usize> {
    let mut at = 64;
    let mut begins = Vec::new();
    while let Some(&[flags, size]) = stream.get(at..at + 2) {
        begins.push(at);
        let long = stream.get(at + 1..at + 9).filter(|_| flags & 2 != 0);
        let octets = long.map_or(usize::from(size), |octets| {
            octets
                .iter()
                .fold(0_usize, |sum, octet| (sum << 8) | usize::from(*octet))
        });
        let header = if long.is_some() { 9 } else { 2 };
        at = at
            .saturating_add(header)
            .saturating_add(octets.min(stream.len()));
    }
    begins
}

/// Changes one thing: anywhere, or in a frame's header.
fn mutate(random: &mut Random, stream: &mut Vec<u8>) {
    let frames = frames(stream);
    let at = match random.below(3) {
        0 if !frames.is_empty() => random.pick(&frames) + random.below(3),
        1 if !frames.is_empty() => random.pick(&frames),
        _ => random.below(stream.len() + 1),
    };
    if stream.is_empty() {
        return;
    }
    let at = at.min(stream.len() - 1);
    match random.below(6) {
        0 => stream[at] ^= 1 << random.below(8),
        1 => stream[at] = random.pick(&[0, 1, 2, 3, 4, 5, 6, 7, 0x7f, 0x80, 0xff]),
        2 => stream.insert(at, random.next() as u8),
        3 => drop(stream.drain(at..(at + 1 + random.below(4)).min(stream.len()))),
        4 => {
            let run = stream[at..(at + 1 + random.below(30)).min(stream.len())].to_vec();
            stream.splice(at..at, run);
        }
        _ => {
            let size = random.pick(&[255, 256, 65_536, 1 << 31, 1 << 62, 1 << 63, u64::MAX]);
            let flags = random.pick(&[0, 1, 4, 0xfc]);
            stream.splice(at..at, header(flags, size));
        }
    }
}

/// The stream in pieces, split in random places: whole, octet by octet, and what lies between.
pub fn pieces<'a>(random: &mut Random, stream: &'a [u8]) -> Vec<&'a [u8]> {
    let most = match random.below(5) {
        0 => return vec![stream],
        _ => random.pick(&[1, 3, 20, 100]),
    };
    let mut pieces = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let (piece, others) = rest.split_at((1 + random.below(most)).min(rest.len()));
        pieces.push(piece);
        rest = others;
    }
    pieces
}
