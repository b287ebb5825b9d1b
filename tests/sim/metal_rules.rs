//! The simulated metal against the rules of the traits it stands in for.

use std::{
    io::{ErrorKind, IoSlice},
    sync::{Arc, Mutex},
    time::Duration,
};

use hubless::internals::{
    base::options::Options,
    reactor::metal::{Acceptor, Address, Metal, Ready, Selector, Stream},
};

use super::{dice::Dice, faults::Faults, metal::SimMetal};

/// A calm world.
fn calm() -> SimMetal {
    SimMetal::new(Dice::new(1), Faults::none(), false)
}

/// Lets everything happen that is on its way.
fn settle(metal: &SimMetal) {
    loop {
        let mut net = metal.net();
        let Some(time) = net.next_time() else {
            return;
        };
        net.now = time.max(net.now);
        let errand = net.step().expect("due");
        drop(net);
        if let Some(errand) = errand {
            errand();
        }
    }
}

fn poll(selector: &mut dyn Selector) -> Vec<Ready> {
    let mut ready = Vec::new();
    loop {
        match selector.poll(&mut ready, Some(Duration::ZERO)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => break result.expect("nothing but interruptions"),
        }
    }
    ready.sort_by_key(|ready| ready.token);
    ready
}

fn listen(metal: &SimMetal) -> Box<dyn Acceptor> {
    let at = Address::Tcp("127.0.0.1:0".parse().unwrap());
    metal.listen(&at, &Options::default()).unwrap()
}

fn pair(metal: &SimMetal) -> (Box<dyn Stream>, Box<dyn Stream>) {
    let acceptor = listen(metal);
    let client = metal
        .connect(&acceptor.local(), None, &Options::default())
        .unwrap();
    settle(metal);
    client.finish_connect().unwrap();
    (client, acceptor.accept().unwrap())
}

fn write(stream: &dyn Stream, octets: &[u8]) -> usize {
    stream.write(&[IoSlice::new(octets)]).unwrap()
}

fn read(stream: &dyn Stream, limit: usize) -> Result<Vec<u8>, ErrorKind> {
    let mut into = Vec::new();
    match stream.read(&mut into, limit) {
        Ok(count) => {
            assert_eq!(count, into.len());
            Ok(into)
        }
        Err(error) => Err(error.kind()),
    }
}

#[test]
fn octets_arrive_in_order_and_the_end_comes_last() {
    let metal = calm();
    let (client, server) = pair(&metal);
    assert_eq!(read(&*server, 10), Err(ErrorKind::WouldBlock));
    write(&*client, b"hello ");
    write(&*client, b"world");
    drop(client);
    settle(&metal);
    assert_eq!(read(&*server, 8), Ok(b"hello wo".to_vec()));
    assert_eq!(read(&*server, 8), Ok(b"rld".to_vec()));
    assert_eq!(read(&*server, 8), Ok(Vec::new()));
}

#[test]
fn an_edge_is_told_once_and_again_after_the_source_was_drained() {
    let metal = calm();
    let (client, server) = pair(&metal);
    let mut selector = metal.selector().unwrap();
    selector.register(server.source(), 7).unwrap();
    let told = poll(&mut *selector);
    assert_eq!(told.len(), 1, "present readiness: there is room to write");
    assert!(told[0].writable && !told[0].readable && !told[0].closed);
    assert_eq!(poll(&mut *selector), []);

    write(&*client, b"abc");
    settle(&metal);
    let told = poll(&mut *selector);
    assert_eq!((told[0].token, told[0].readable), (7, true));
    write(&*client, b"def");
    settle(&metal);
    assert_eq!(poll(&mut *selector), [], "not drained since");
    assert_eq!(read(&*server, 100).unwrap().len(), 6);
    write(&*client, b"ghi");
    settle(&metal);
    assert!(poll(&mut *selector)[0].readable, "drained, ready anew");
}

#[test]
fn a_full_way_blocks_and_room_is_an_edge() {
    let metal = calm();
    metal.net().faults.capacity_octets = 10;
    let (client, server) = pair(&metal);
    let mut selector = metal.selector().unwrap();
    selector.register(client.source(), 1).unwrap();
    poll(&mut *selector);
    assert_eq!(write(&*client, &[0; 16]), 10);
    let refused = client.write(&[IoSlice::new(b"x")]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    settle(&metal);
    assert_eq!(poll(&mut *selector), []);
    assert_eq!(read(&*server, 4).unwrap().len(), 4);
    settle(&metal);
    assert!(poll(&mut *selector)[0].writable);
    assert_eq!(write(&*client, &[0; 16]), 4);
}

#[test]
fn selectors_nest_and_bells_ring_through() {
    let metal = calm();
    let (client, server) = pair(&metal);
    let mut outer = metal.selector().unwrap();
    let mut inner = metal.selector().unwrap();
    inner.register(server.source(), 3).unwrap();
    poll(&mut *inner);
    outer
        .registry()
        .unwrap()
        .register(inner.source(), 4)
        .unwrap();
    assert_eq!(poll(&mut *outer), []);

    write(&*client, b"a");
    settle(&metal);
    assert_eq!(poll(&mut *outer)[0].token, 4);
    assert_eq!(poll(&mut *outer), [], "told once");
    assert_eq!(poll(&mut *inner)[0].token, 3);
    inner.bell().unwrap().ring();
    assert_eq!(poll(&mut *outer)[0].token, 4);
    assert_eq!(poll(&mut *inner), [], "a bell is not listed");

    inner.bell().unwrap().ring();
    outer.deregister(inner.source()).unwrap();
    assert_eq!(poll(&mut *outer), []);
    outer.register(inner.source(), 5).unwrap();
    assert_eq!(poll(&mut *outer)[0].token, 5, "present readiness");
}

#[test]
fn what_is_unread_turns_a_close_into_a_reset() {
    let metal = calm();
    let (client, server) = pair(&metal);
    write(&*client, b"never read");
    settle(&metal);
    drop(server);
    settle(&metal);
    assert_eq!(read(&*client, 1), Err(ErrorKind::ConnectionReset));
    assert_eq!(read(&*client, 1), Ok(Vec::new()));
}

#[test]
fn writing_to_who_has_gone_ends_in_a_reset() {
    let metal = calm();
    let (client, server) = pair(&metal);
    drop(server);
    settle(&metal);
    assert_eq!(write(&*client, b"anybody?"), 8);
    settle(&metal);
    let told = client.write(&[IoSlice::new(b"x")]).unwrap_err();
    assert_eq!(told.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_silent_connection_tells_nobody_of_its_end_until_that_is_found_out() {
    let metal = calm();
    let (client, server) = pair(&metal);
    metal.net().faults.silence = 1000;
    write(&*client, b"lost");
    drop(client);
    settle(&metal);
    assert_eq!(read(&*server, 10), Err(ErrorKind::WouldBlock));
    assert_eq!(write(&*server, b"anybody?"), 8);
    settle(&metal);
    assert_eq!(read(&*server, 10), Err(ErrorKind::WouldBlock));
    metal.net().end_silence();
    assert_eq!(read(&*server, 10), Err(ErrorKind::ConnectionReset));
}

#[test]
fn nobody_listening_refuses_and_the_same_address_twice_is_in_use() {
    let metal = calm();
    let acceptor = listen(&metal);
    let at = acceptor.local();
    let twice = metal.listen(&at, &Options::default()).map(drop);
    assert_eq!(twice.unwrap_err().kind(), ErrorKind::AddrInUse);
    drop(acceptor);
    let client = metal.connect(&at, None, &Options::default()).unwrap();
    let mut selector = metal.selector().unwrap();
    selector.register(client.source(), 0).unwrap();
    let open = client.finish_connect().unwrap_err();
    assert_eq!(open.kind(), ErrorKind::WouldBlock);
    settle(&metal);
    let told = poll(&mut *selector)[0];
    assert!(told.writable && told.closed);
    let failed = client.finish_connect().unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::ConnectionRefused);
    assert!(metal.listen(&at, &Options::default()).is_ok());
}

#[test]
fn names_are_found_or_not_and_never_at_once() {
    let metal = calm();
    metal.net().name(
        "there",
        &["10.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
    );
    let found = Arc::new(Mutex::new(Vec::new()));
    for host in ["there", "nowhere", "10.0.0.9"] {
        let found = found.clone();
        let done = Box::new(move |answer: std::io::Result<Vec<_>>| {
            found.lock().unwrap().push((host, answer.ok()));
        });
        metal.resolve(host, 80, false, done);
    }
    assert!(found.lock().unwrap().is_empty());
    settle(&metal);
    let mut found = found.lock().unwrap().clone();
    found.sort();
    let address = |text: &str| Some(vec![text.parse().unwrap()]);
    let expected = [
        ("10.0.0.9", address("10.0.0.9:80")),
        ("nowhere", None),
        ("there", address("10.0.0.1:80")),
    ];
    assert_eq!(found, expected);
}

/// A mindless pair of programs that follow the contract: each reads until it would block, writes
/// until it would block, and otherwise waits for edges. Returns the trace's hash.
fn pump(seed: u64) -> (u64, bool) {
    let mut dice = Dice::new(seed);
    let mut faults = Faults::draw(&mut dice);
    // Trouble on one connection; nobody here registers or connects twice.
    (faults.register_fails, faults.connect_fails, faults.refuse) = (0, 0, 0);
    (faults.descriptors, faults.accept_aborts) = (0, 0);
    // Nobody here gives up on who says nothing.
    faults.silence = 0;
    let metal = SimMetal::new(dice, faults, false);
    let (client, server) = pair(&metal);
    let mut selector = metal.selector().unwrap();
    selector.register(client.source(), 0).unwrap();
    selector.register(server.source(), 1).unwrap();
    let sent: Vec<u8> = (0..4000_u32).map(|count| (count % 251) as u8).collect();
    let (mut written, mut got, mut lost) = (0, Vec::new(), false);
    while !lost && got.len() < sent.len() {
        for told in poll(&mut *selector) {
            while told.token == 0 && told.writable && written < sent.len() {
                match client.write(&[IoSlice::new(&sent[written..])]) {
                    Ok(count) => written += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => {
                        lost = true;
                        break;
                    }
                }
            }
            if told.token == 1 && told.readable {
                lost |= read_all(&*server, &mut got);
            }
        }
        let mut net = metal.net();
        match net.next_time() {
            Some(time) => {
                net.now = time.max(net.now);
                net.step();
            }
            None => assert!(
                lost || got.len() == sent.len() || net.is_ready(selector.source()),
                "seed {seed}: idle with {} of {} octets read",
                got.len(),
                sent.len()
            ),
        }
    }
    assert_eq!(
        got,
        sent[..got.len()],
        "seed {seed}: what arrives is a prefix"
    );
    let hash = metal.net().trace.hash();
    (hash, lost)
}

/// Reads until it would block; says whether the connection has come to its end.
fn read_all(stream: &dyn Stream, got: &mut Vec<u8>) -> bool {
    loop {
        match stream.read(got, 64) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn who_follows_the_contract_gets_every_octet_under_every_weather() {
    let mut lost = 0;
    let mut hashes: Vec<u64> = (0..200)
        .map(|seed| {
            let (hash, cut) = pump(seed);
            lost += u32::from(cut);
            hash
        })
        .collect();
    assert!((5..150).contains(&lost), "{lost} of 200 connections cut");
    assert_eq!(pump(17).0, hashes[17], "the same seed, the same trace");
    hashes.sort_unstable();
    hashes.dedup();
    // Calm worlds without latency may be alike.
    assert!(hashes.len() > 190, "each seed a trace of its own");
}
