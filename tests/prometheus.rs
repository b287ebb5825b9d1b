//! The page for Prometheus: it keeps the grammar of the text format 0.0.4 and the naming rules of
//! OpenMetrics, and says what `stats` says. The parser below knows nothing of how it is written.

#![cfg(feature = "prometheus")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{SOON, eventually, inproc};
use hubless::{
    Context, Dealer, Meter, Pub, Pull, Push, Router, Sub,
    prometheus::{CONTENT_TYPE, Page},
};

/// A page as Prometheus understands it.
#[derive(Debug, Default)]
struct Parsed {
    /// Family: its type.
    kinds: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

/// Labels, as something to sort by.
type Pairs = Vec<(String, String)>;

#[derive(Debug)]
struct Sample {
    family: String,
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Parsed {
    fn of(page: &Page) -> Parsed {
        let text = page.to_string();
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "the last line ends"
        );
        let mut parsed = Parsed::default();
        let mut helped = BTreeSet::new();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a name and a text");
                assert!(helped.insert(name.to_owned()), "{name} is told once");
                assert!(!help.contains('\\') && !help.is_empty());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a type");
                assert!(helped.contains(name), "{name}: HELP goes first");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let known = parsed.kinds.insert(name.to_owned(), kind.to_owned());
                assert_eq!(known, None, "{name}: a family stands together");
                family = name.to_owned();
            } else {
                parsed.samples.push(Sample::of(line, &family));
            }
        }
        parsed.check();
        parsed
    }

    /// The rules that a parser alone would not mind.
    fn check(&self) {
        let mut seen = BTreeSet::new();
        for sample in &self.samples {
            let Sample {
                family,
                name,
                labels,
                value,
            } = sample;
            assert!(seen.insert((name, labels)), "twice: {sample:?}");
            let kind = self.kinds.get(family).expect("TYPE goes first").as_str();
            let suffix = name.strip_prefix(family.as_str()).expect("its family");
            match kind {
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix)),
                _ => assert_eq!(suffix, "", "{name}"),
            }
            assert_eq!(kind == "counter", family.ends_with("_total"), "{family}");
            for reserved in ["_count", "_sum", "_bucket", "_created", "_info"] {
                assert!(!family.ends_with(reserved), "{family}");
            }
            if kind != "gauge" {
                assert!(*value >= 0.0 && value.is_finite(), "{sample:?}");
            }
        }
        for (family, kind) in &self.kinds {
            let named = |it: &str| it.starts_with(|c: char| c.is_ascii_lowercase());
            let plain = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(named(family) && family.chars().all(plain), "{family}");
            assert!(family.starts_with("hubless_"), "{family}");
            if kind == "histogram" {
                self.check_histogram(family);
            }
        }
    }

    /// Buckets grow, the last of them is the count, and the sum lies between.
    fn check_histogram(&self, family: &str) {
        let mut buckets: BTreeMap<Pairs, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in self
            .samples
            .iter()
            .filter(|it| it.name == format!("{family}_bucket"))
        {
            let mut labels = sample.labels.clone();
            let limit = labels.remove("le").expect("a bucket has a limit");
            let limit = limit.replace("+Inf", "inf").parse().expect("a number");
            let labels = labels.into_iter().collect();
            buckets
                .entry(labels)
                .or_default()
                .push((limit, sample.value));
        }
        assert!(!buckets.is_empty(), "{family}");
        for (labels, buckets) in buckets {
            let grows = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
            assert!(
                buckets.windows(2).all(grows),
                "{family} {labels:?}: {buckets:?}"
            );
            let labels: Vec<_> = labels
                .iter()
                .map(|(a, b)| (a.as_str(), b.as_str()))
                .collect();
            let count = self.value(&format!("{family}_count"), &labels);
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)));
            let sum = self.value(&format!("{family}_sum"), &labels);
            assert!(sum >= 0.0 && (sum > 0.0 || count == 0.0));
        }
    }

    /// The value of the only sample with these labels, and perhaps others.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Sample| {
            let has =
                |(key, value): &(&str, &str)| sample.labels.get(*key).is_some_and(|it| it == value);
            sample.name == name && labels.iter().all(has)
        };
        let found: Vec<_> = self.samples.iter().filter(fits).collect();
        assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
        found[0].value
    }
}

impl Sample {
    /// `name{label="value",…} number`
    fn of(line: &str, family: &str) -> Sample {
        let (name, rest) = line.split_once('{').expect("labels");
        let mut labels = BTreeMap::new();
        let mut rest = rest;
        loop {
            let (label, after) = rest.split_once("=\"").expect("a label and its value");
            let plain = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(
                label.chars().all(plain) && !label.starts_with("__"),
                "{line}"
            );
            let (value, after) = quoted(after);
            assert_eq!(labels.insert(label.to_owned(), value), None, "{line}");
            if let Some(value) = after.strip_prefix("} ") {
                let value = value.parse().expect("a number");
                let (family, name) = (family.to_owned(), name.to_owned());
                return Sample {
                    family,
                    name,
                    labels,
                    value,
                };
            }
            rest = after.strip_prefix(',').expect("another label");
        }
    }
}

/// The text up to the quote that ends it, and what follows that.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => match letters.next().expect("what is escaped").1 {
                'n' => value.push('\n'),
                same @ ('\\' | '"') => value.push(same),
                other => panic!("\\{other} is no escape"),
            },
            other => value.push(other),
        }
    }
    panic!("no end: {text}");
}

#[test]
fn a_page_says_what_the_counters_say() {
    assert_eq!(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    assert!(Parsed::of(&Page::new()).samples.is_empty());

    let at = inproc();
    let publisher = Pub::builder().send_hwm(2).build().expect("a PUB");
    let sub = Sub::builder()
        .recv_hwm(2)
        .time_one_in(1)
        .build()
        .expect("a SUB");
    publisher.bind(&at).expect("to bind");
    sub.subscribe("").expect("open");
    sub.connect(&at).expect("to connect");
    publisher.wait_subscribers(1, SOON).expect("it");
    publisher.send_all(["four"; 10]).expect("to send");
    sub.recv().expect("one of four");
    assert!(sub.recv().is_ok(), "another");

    let mut page = Page::new();
    page.add_socket("news", &publisher);
    page.add_socket("reader", &sub);
    page.add_peers("news", &publisher);
    let page = Parsed::of(&page);
    let sent = publisher.stats().sent;
    let of = [("socket", "news"), ("type", "PUB"), ("direction", "sent")];
    let dropped = |reason| {
        let labels = [
            ("socket", "news"),
            ("direction", "sent"),
            ("reason", reason),
        ];
        page.value("hubless_dropped_messages_total", &labels)
    };
    assert_eq!((sent.accepted, sent.refused), (4, 6));
    assert_eq!(page.value("hubless_accepted_messages_total", &of), 4.0);
    assert_eq!(page.value("hubless_accepted_bytes_total", &of), 16.0);
    assert_eq!(page.value("hubless_delivered_messages_total", &of), 2.0);
    assert_eq!(page.value("hubless_queued_messages", &of), 2.0);
    assert_eq!(
        (dropped("full"), dropped("replaced"), dropped("closed")),
        (6.0, 0.0, 0.0)
    );
    assert_eq!(page.value("hubless_peers", &of[..2]), 1.0);
    assert_eq!(page.value("hubless_connections_total", &of[..1]), 1.0);
    assert_eq!(page.value("hubless_peer_queued_messages", &of[2..]), 2.0);
    let reader = [("socket", "reader"), ("direction", "received")];
    assert_eq!(page.value("hubless_wait_seconds_count", &reader), 2.0);
    let times = sub.times().expect("asked for");
    let sum = page.value("hubless_wait_seconds_sum", &reader);
    assert!((sum - times.received.sum().as_secs_f64()).abs() < 1e-9);
    let longest = page.value("hubless_longest_wait_seconds", &reader);
    assert!((longest - times.received.max().as_secs_f64()).abs() < 1e-9);
    let timed = |it: &&Sample| it.family == "hubless_wait_seconds" && it.labels["socket"] == "news";
    assert_eq!(
        page.samples.iter().find(timed).map(|_| ()),
        None,
        "not asked for"
    );
}

#[test]
fn a_series_stays_the_same_peers_when_another_has_left() {
    let pull = Pull::new().expect("a PULL");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let pushes = ["ann", "bob"].map(|name| {
        let push = Push::new().expect("a PUSH");
        push.connect(&at).expect("to connect");
        push.send(name).expect("to send");
        assert_eq!(pull.recv_timeout(SOON).expect("it comes")[0], name);
        push
    });
    let peers = || {
        let mut page = Page::new();
        page.add_peers("jobs", &pull);
        let page = Parsed::of(&page);
        let counts = |it: &&Sample| it.family == "hubless_peer_connections_total";
        let peers = page.samples.iter().filter(counts);
        peers
            .map(|it| it.labels["peer"].clone())
            .collect::<Vec<_>>()
    };
    let before = peers();
    assert!(before.len() == 2 && before[0] != before[1], "{before:?}");
    let [ann, bob] = pushes;
    ann.close(SOON).expect("to close");
    eventually("ann is gone", || peers().len() == 1);
    assert!(
        before.contains(&peers()[0]),
        "bob is who he was: {before:?}"
    );
    let bob_is = peers();
    let push = Push::new().expect("a PUSH");
    push.connect(&at).expect("to connect");
    eventually("somebody comes", || peers().len() == 2);
    assert!(peers().contains(&bob_is[0]));
    let newcomer = peers().into_iter().find(|it| *it != bob_is[0]);
    assert!(!before.contains(&newcomer.expect("another")));
    drop(bob);
}

#[test]
fn names_are_escaped() {
    let odd = "a \"name\"\\ with\nall, {of} it=1} ∂";
    let router = Router::new().expect("a ROUTER");
    let at = router.bind("tcp://127.0.0.1:0").expect("to bind");
    let dealer = Dealer::builder()
        .routing_id("an\"n\\\n")
        .build()
        .expect("it");
    dealer.connect(&at).expect("to connect");
    router.wait_peers(1, SOON).expect("a peer");
    let mut page = Page::new();
    page.add_socket(odd, &router);
    page.add_peers(odd, &router);
    let page = Parsed::of(&page);
    assert_eq!(page.value("hubless_peers", &[("socket", odd)]), 1.0);
    let peer = [("routing_id", "an\"n\\\n"), ("socket", odd)];
    assert_eq!(page.value("hubless_peer_connections_total", &peer), 1.0);
    assert!(page.value("hubless_peer_connection_age_seconds", &peer) > 0.0);
}

#[test]
fn threads_and_rates_have_their_lines() {
    let context = Context::new();
    let pull = Pull::builder()
        .context(&context)
        .time_one_in(1)
        .build()
        .expect("a PULL");
    let push = Push::builder().context(&context).build().expect("a PUSH");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    push.connect(&at).expect("to connect");
    let mut meter = Meter::new(&pull);
    push.send_all(["x"; 20]).expect("to send");
    for _ in 0..20 {
        pull.recv_timeout(SOON).expect("it comes");
    }
    eventually("time passes", || {
        meter.sample();
        meter.received(SOON).is_some()
    });
    let mut page = Page::new();
    page.add_context("main", &context);
    page.add_meter("jobs", &meter);
    let page = Parsed::of(&page);
    let thread = [("context", "main"), ("thread", "0")];
    assert_eq!(page.value("hubless_io_sockets", &thread), 2.0);
    let busy = page.value("hubless_io_busy_seconds_total", &thread);
    assert!(busy <= page.value("hubless_io_lifetime_seconds_total", &thread));
    for span in ["1", "10", "60"] {
        let labels = [("socket", "jobs"), ("span_seconds", span)];
        let received = [labels[0], labels[1], ("direction", "received")];
        let arrivals = page.value("hubless_arrival_rate", &received);
        assert!(arrivals > 0.0);
        let load = page.value("hubless_load_erlangs", &labels);
        let rate = page.value("hubless_service_rate", &labels);
        assert!((load * rate / arrivals - 1.0).abs() < 1e-6);
    }
}
