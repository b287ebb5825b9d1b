//! Those who begin handshakes and do not end them, and those who end them with garbage: they keep nobody out,
//! and cost no memory. With `--release --nocapture` it tells how long good peers took meanwhile.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use hubless::{
    Endpoint, KeyPair, Linger, PublicKey, Pull, Push,
    internals::{
        base::keys::Primitives,
        engine::Dryoc,
        wire::{command, greeting},
    },
};

/// Cryptography without optimisation takes thirty times as long.
const GARBAGE: usize = if cfg!(debug_assertions) { 300 } else { 100_000 };

/// How long a good peer may take: a second, and much more on a busy machine without optimisation.
const PATIENCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 1 });

/// Memory that all attackers together may cost.
const MEMORY_KB_MAX: u64 = 64 << 10;

struct Stand {
    pull: Pull,
    keys: KeyPair,
    at: Endpoint,
    before_kb: u64,
}

impl Stand {
    fn new() -> Stand {
        let keys = KeyPair::generate();
        let pull = Pull::builder()
            .curve_server(keys.clone())
            .recv_timeout(Duration::from_secs(60));
        let pull = pull.build().expect("a socket");
        let at = pull.bind("ipc://*").expect("to bind");
        let stand = Stand {
            pull,
            keys,
            at,
            before_kb: 0,
        };
        // What is made once is there before it is measured.
        stand.serve_one();
        Stand {
            before_kb: resident_kb(),
            ..stand
        }
    }

    /// A good peer comes, and brings a message. How long that took.
    fn serve_one(&self) -> Duration {
        let start = Instant::now();
        let push = Push::builder().curve_client(self.keys.public(), KeyPair::generate());
        let push = push.linger(Linger::Drop).build().expect("a socket");
        push.connect(&self.at).expect("to connect");
        push.send("good").expect("to send");
        assert_eq!(self.pull.recv().expect("a message"), "good".into());
        start.elapsed()
    }

    fn attacker(&self) -> UnixStream {
        let path = self.at.to_string();
        let path = path.strip_prefix("ipc://").expect("ipc");
        UnixStream::connect(path).expect("to connect")
    }

    fn tell(&self, what: &str, slowest: Duration) {
        let grown_kb = resident_kb().saturating_sub(self.before_kb);
        println!("{what}: the slowest good peer took {slowest:?}, memory grew by {grown_kb} kB");
        assert!(slowest < PATIENCE, "{slowest:?}");
        assert!(grown_kb < MEMORY_KB_MAX, "{grown_kb} kB");
    }
}

fn resident_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|rest| rest.trim().strip_suffix("kB"));
    kb.expect("a size").trim().parse().expect("a number")
}

fn greeting() -> Vec<u8> {
    greeting::encode_with(greeting::mechanism("CURVE"), false, b"").to_vec()
}

/// A HELLO that is good, and may be said by anybody who has heard it.
fn hello(server: PublicKey) -> Vec<u8> {
    let own = KeyPair::generate();
    let key = Dryoc.agree(&server, own.secret()).expect("a good key");
    let counter = 1u64.to_be_bytes();
    let nonce = [&b"CurveZMQHELLO---"[..], &counter].concat();
    let mut zeros = [0; 64];
    let proof = Dryoc.seal(&key, &nonce.try_into().expect("24 octets"), &mut zeros);
    let mut data = vec![1];
    data.resize(74, 0);
    data.extend([&own.public().as_bytes()[..], &counter, &proof, &zeros].concat());
    let mut out = Vec::new();
    command::encode("HELLO", &data, &mut out);
    out
}

#[test]
fn a_thousand_who_end_no_handshake_keep_nobody_out() {
    let stand = Stand::new();
    let words = [greeting(), hello(stand.keys.public())].concat();
    // Silent, in the greeting, behind it, in HELLO, behind it.
    let lengths = [0, 10, 64, 100, words.len()];
    let attackers: Vec<UnixStream> = (0..1000)
        .map(|number| {
            let mut attacker = stand.attacker();
            let length = lengths[number % lengths.len()];
            attacker.write_all(&words[..length]).expect("to write");
            attacker
        })
        .collect();
    let slowest = (0..10).map(|_| stand.serve_one()).max().expect("some");
    stand.tell("1000 half-open handshakes", slowest);
    drop(attackers);
}

#[test]
fn garbage_in_place_of_initiate_keeps_nobody_out() {
    let stand = Stand::new();
    let mut garbage = vec![0xa5; 96 + 8 + 16 + 32 + 96 + 30];
    garbage[96..104].copy_from_slice(&2u64.to_be_bytes());
    let mut words = [greeting(), hello(stand.keys.public())].concat();
    command::encode("INITIATE", &garbage, &mut words);
    let (left, attacking) = (AtomicUsize::new(GARBAGE), AtomicBool::new(true));
    let slowest = thread::scope(|scope| {
        let attack = || {
            let took_one = |left: usize| left.checked_sub(1);
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, took_one)
                .is_ok()
            {
                let mut attacker = stand.attacker();
                // It may be over before all is said.
                if attacker.write_all(&words).is_ok() {
                    let _ = attacker.read_to_end(&mut Vec::new());
                }
            }
        };
        let attackers = [scope.spawn(attack), scope.spawn(attack)];
        let watch = scope.spawn(|| {
            for attacker in attackers {
                attacker.join().expect("no panic");
            }
            attacking.store(false, Ordering::Relaxed);
        });
        let (start, mut slowest, mut served) = (Instant::now(), Duration::ZERO, 0);
        while attacking.load(Ordering::Relaxed) {
            slowest = slowest.max(stand.serve_one());
            served += 1;
        }
        watch.join().expect("no panic");
        let took = start.elapsed();
        println!("{GARBAGE} garbage INITIATEs in {took:?}, {served} good peers meanwhile");
        assert!(served > 0);
        slowest
    });
    stand.tell("garbage INITIATEs", slowest);
}
