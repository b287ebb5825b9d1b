//! A thousand peers on one socket.
//!
//! They live in a process of their own, so that each process needs descriptors for its half.

mod common;

use std::collections::BTreeMap;

use common::{
    SOON, each_balances, eventually, number,
    process::{self, Other},
    quiet,
};
use hubless::{Dealer, Endpoint, Linger, Message, Pub, Pull, Push, Rep, Req, Router, Sub};

const PEERS: usize = 1000;

/// For a thousand sockets with one connection each: it, a poll set, and the bell of that.
const DESCRIPTORS: usize = 4 * PEERS;

/// Runs `server` in one process and `client` in another, both with descriptors enough.
fn play(test: &str, server: fn(), client: fn(&str)) {
    match process::role().as_deref() {
        None => {
            let start = |role: &str| Other::start_with_descriptors(test, role, Some(DESCRIPTORS));
            let mut server = start("server");
            let client = start(&format!("client {}", server.hear()));
            assert_eq!(server.hear(), "done");
            client.end();
            server.end();
        }
        Some([role]) if role == "server" => server(),
        Some([_, at]) => client(at),
        Some(role) => panic!("no such role: {role:?}"),
    }
}

fn bound(at: Endpoint) {
    process::say(&at.to_string());
}

fn done() {
    process::say("done");
    process::wait_for_parent();
}

#[test]
fn a_pull_takes_work_of_each() {
    const EACH: u64 = 5;
    fn server() {
        let pull = Pull::new().expect("a PULL");
        bound(pull.bind("tcp://127.0.0.1:0").expect("to bind"));
        let mut next = vec![0; PEERS];
        for _ in 0..PEERS as u64 * EACH {
            let message = pull.recv_timeout(SOON).expect("a message");
            let peer = number(&message[0]) as usize;
            assert_eq!(number(&message[1]), next[peer], "in order, each once");
            next[peer] += 1;
        }
        pull.wait_peers(PEERS, SOON).expect("all are there still");
        assert_eq!(pull.peers().len(), PEERS);
        each_balances("the PULL", &pull.peers());
        done();
    }
    play("a_pull_takes_work_of_each", server, |at| {
        let pushes: Vec<Push> = (0..PEERS).map(|_| Push::new().expect("a PUSH")).collect();
        for push in &pushes {
            push.connect(at).expect("to connect");
        }
        for number in 0..EACH {
            for (peer, push) in pushes.iter().enumerate() {
                push.send([peer.to_string(), number.to_string()])
                    .expect("room");
            }
        }
        process::wait_for_parent();
    });
}

#[test]
fn a_router_talks_with_each() {
    fn server() {
        let router = Router::new().expect("a ROUTER");
        bound(router.bind("tcp://127.0.0.1:0").expect("to bind"));
        let mut names = BTreeMap::new();
        for _ in 0..PEERS {
            let (id, message) = router.recv_from_timeout(SOON).expect("a message");
            assert!(names.insert(number(&message[0]), id).is_none(), "each once");
        }
        for round in 0..3u64 {
            for (peer, id) in &names {
                router
                    .send_to(id, [peer.to_string(), round.to_string()])
                    .expect("each is there");
            }
            for _ in 0..PEERS {
                let (id, message) = router.recv_from_timeout(SOON).expect("an answer");
                assert_eq!(names[&number(&message[0])], id);
                assert_eq!(number(&message[1]), round);
            }
        }
        done();
    }
    play("a_router_talks_with_each", server, |at| {
        let dealers: Vec<Dealer> = (0..PEERS)
            .map(|_| Dealer::new().expect("a DEALER"))
            .collect();
        for (peer, dealer) in dealers.iter().enumerate() {
            dealer.connect(at).expect("to connect");
            dealer.send(peer.to_string()).expect("room");
        }
        for _ in 0..3 {
            for (peer, dealer) in dealers.iter().enumerate() {
                let message = dealer.recv_timeout(SOON).expect("a message");
                assert_eq!(number(&message[0]), peer as u64, "it is ours");
                dealer.send(message).expect("room");
            }
        }
        process::wait_for_parent();
    });
}

#[test]
fn a_publisher_reaches_each() {
    fn server() {
        let publisher = Pub::builder()
            .linger(Linger::For(SOON))
            .build()
            .expect("a PUB");
        bound(publisher.bind("tcp://127.0.0.1:0").expect("to bind"));
        publisher
            .wait_subscribers(PEERS, SOON)
            .expect("each has subscribed");
        for number in 0..50u64 {
            publisher
                .send(("all", number.to_string()))
                .expect("to send");
        }
        for peer in 0..PEERS {
            publisher.send(format!("only {peer};")).expect("to send");
        }
        quiet("the publisher", || publisher.stats());
        let sent = publisher.stats().sent;
        assert_eq!((sent.accepted, sent.refused), (51 * PEERS as u64, 0));
        done();
    }
    play("a_publisher_reaches_each", server, |at| {
        let subs: Vec<Sub> = (0..PEERS).map(|_| Sub::new().expect("a SUB")).collect();
        for (peer, sub) in subs.iter().enumerate() {
            sub.subscribe(format!("only {peer};"))
                .expect("to subscribe");
            sub.subscribe("all").expect("to subscribe");
            sub.connect(at).expect("to connect");
        }
        for (peer, sub) in subs.iter().enumerate() {
            for expected in 0..50 {
                let message = sub.recv_timeout(SOON).expect("a message");
                assert_eq!(number(&message[1]), expected);
            }
            let last = sub.recv_timeout(SOON).expect("a message");
            assert_eq!(last, Message::from(format!("only {peer};")));
        }
        process::wait_for_parent();
    });
}

#[test]
fn a_rep_answers_each_and_forgets_those_who_leave() {
    fn server() {
        let rep = Rep::new().expect("a REP");
        bound(rep.bind("tcp://127.0.0.1:0").expect("to bind"));
        for _ in 0..PEERS {
            let (request, responder) = rep.recv_timeout(SOON).expect("a request");
            assert!(responder.reply(request));
        }
        eventually("all have left", || rep.peers().is_empty());
        done();
    }
    play(
        "a_rep_answers_each_and_forgets_those_who_leave",
        server,
        |at| {
            // Every one asks before the first is answered.
            let reqs: Vec<Req> = (0..PEERS).map(|_| Req::new().expect("a REQ")).collect();
            for (peer, req) in reqs.iter().enumerate() {
                req.connect(at).expect("to connect");
                req.send(peer.to_string()).expect("room");
            }
            for (peer, req) in reqs.iter().enumerate() {
                let answer = req.recv_timeout(SOON).expect("an answer");
                assert_eq!(number(&answer[0]), peer as u64);
            }
            drop(reqs);
            process::wait_for_parent();
        },
    );
}
