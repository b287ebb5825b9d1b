//! Every example runs to its end and prints what it is there to show.
//!
//! Cargo builds the examples together with the tests (`cargo test`, or `cargo build --examples`
//! first when only this file is run); here they are found beside the test and run with a limit
//! of time.

use std::{
    env, fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// An example takes a second or two; this is for a machine that is busy.
const LIMIT: Duration = Duration::from_secs(60);

/// A process that is killed, should the test end before it.
struct Running {
    name: String,
    child: Child,
    printed: mpsc::Receiver<String>,
}

impl Running {
    fn start(name: &str, arguments: &[&str]) -> Running {
        let mut child = Command::new(example(name))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("to start the example");
        let mut stdout = child.stdout.take().expect("the output is piped");
        let (tell, printed) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            stdout
                .read_to_string(&mut text)
                .expect("its output is text");
            // Nobody listens any more once the test has failed.
            tell.send(text).ok();
        });
        Running {
            name: format!("{name} {}", arguments.join(" ")),
            child,
            printed,
        }
    }

    /// What it printed, once it has ended; it must end well.
    fn finish(mut self) -> String {
        let Ok(text) = self.printed.recv_timeout(LIMIT) else {
            self.child.kill().expect("to kill it");
            let text = self.printed.recv().expect("what it printed");
            panic!("{} has not ended; it printed:\n{text}", self.name);
        };
        let status = self.child.wait().expect("it has ended");
        assert!(
            status.success(),
            "{}: {status}; it printed:\n{text}",
            self.name
        );
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, mostly.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `target/debug/examples/NAME`, beside `target/debug/deps/` where this test is.
fn example(name: &str) -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    let profile = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("a target directory");
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is not built: cargo build --examples",
        path.display()
    );
    path
}

/// Runs an example alone.
fn run(name: &str, arguments: &[&str]) -> String {
    Running::start(name, arguments).finish()
}

/// A path that two processes can meet at.
fn ipc() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (pid, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = env::temp_dir().join(format!("hubless-example-{pid}-{next}"));
    format!("ipc://{}", path.display())
}

#[track_caller]
fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            text.lines().any(|it| it.trim() == *line),
            "no {line:?} in:\n{text}"
        );
    }
}

#[test]
fn every_example_is_run_listed_and_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let list = fs::read_to_string(folder.join("README.md")).expect("the list");
    let tests = include_str!("examples.rs");
    let mut found = 0;
    for entry in fs::read_dir(&folder).expect("the examples") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|end| end != "rs") {
            continue;
        }
        let name = path.file_stem().expect("a name").to_string_lossy();
        let text = fs::read_to_string(&path).expect("an example");
        let run = ["run", "Running::start"].map(|call| format!("{call}(\"{name}\""));
        assert!(run.iter().any(|call| tests.contains(call)), "{name}");
        assert!(
            list.contains(&format!("| [`{name}`]({name}.rs) |")),
            "{name}"
        );
        let header = text.split("\n\n").next().expect("a header");
        let how = format!("--example {name}\n");
        assert!(
            header.starts_with("//! ") && header.contains(&how),
            "{name}"
        );
        found += 1;
    }
    assert!(found > 10, "{found} examples");
}

#[test]
fn tour() {
    let text = run("tour", &[]);
    for transport in ["tcp   ", "ipc   ", "inproc"] {
        assert_lines(
            &text,
            &[
                &format!("{transport}   ann: peel, slice, fry     bob: wash, dry, sweep"),
                &format!("{transport}   \"weather.\" hears weather.oslo 4°, weather.rome 21°"),
            ],
        );
    }
    assert_lines(
        &text,
        &[
            "Push     3 queued; the next came back: job 4",
            "now the worker starts, and takes job 1, job 2, job 3",
            "Pub      100 published, 6 queued, 94 dropped and counted",
            "now the subscriber wakes, and finds 6",
        ],
    );
    assert_eq!(
        text.matches("\"world\" → \"hello world\"").count(),
        3,
        "{text}"
    );
}

#[test]
fn hello() {
    let lines = [
        "Ann → hello Ann",
        "Bob → hello Bob",
        "王明 → hello 王明",
        "the server has gone home",
    ];
    assert_lines(&run("hello", &[]), &lines);
}

#[test]
fn reliable_queue() {
    let text = run("reliable_queue", &[]);
    let lines = [
        "handed out: put out the fire",
        "gone with its worker, and waits again: put out the fire",
        "handed out: put out the fire",
        "done: put out the fire",
        "handed out: wash the apples",
        "done: wash the apples",
        "the queue crashes",
        "2 jobs are in the journal",
        "handed out: slice the apples",
        "done: slice the apples",
        "handed out: bake the pie",
        "done: bake the pie",
        "the diligent worker did 4 jobs",
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), lines, "{text}");
}

#[test]
fn houses() {
    let text = run("houses", &[]);
    let refused = "stays outside: the peer was not let in (400)";
    let lines = [
        "grass  anybody comes in: regards from anybody",
        &format!("straw  a stranger from 127.0.0.1 {refused}"),
        "straw  a neighbour comes in: regards from a neighbour",
        "wood   who says nothing stays outside: the peer speaks another mechanism",
        &format!("wood   a wolf {refused}"),
        "wood   a pig comes in, as pig: regards from a pig",
    ];
    assert_lines(&text, &lines);
    if text.contains("stone and iron need --features curve") {
        return;
    }
    let lines = [
        "stone  who looks for another house stays outside: a box that does not open",
        "stone  who knows its key comes in: regards from who knows its key",
        &format!("iron   a wolf who knows its key {refused}"),
        "iron   a pig comes in, as the third pig: regards from a pig",
    ];
    assert_lines(&text, &lines);
}

#[test]
fn weather() {
    let lines = [
        "\"oslo \"         20   4.0   oslo",
        "\"ro\"            20  15.0   rome, rostock",
        "\"\"              20   9.0   oslo, oslofjord, rome, rostock",
    ];
    assert_lines(&run("weather", &[]), &lines);
}

#[test]
fn pipeline() {
    let text = run("pipeline", &[]);
    let lines = [
        "worker 1 did 20",
        "worker 2 did 20",
        "worker 3 did 20",
        "there are 11301 primes below 120000",
    ];
    assert_lines(&text, &lines);
}

#[test]
fn mt_server() {
    let text = run("mt_server", &[]);
    assert_eq!(sum(&text, "answered "), 8, "{text}");
    let at_once = text.trim().strip_suffix(" at once");
    let at_once = at_once.and_then(|text| text.split_whitespace().last());
    let at_once: u32 = at_once.expect("how many").parse().expect("a number");
    assert!((2..=4).contains(&at_once), "{text}");
}

#[test]
fn routing() {
    let text = run("routing", &[]);
    let lines = [
        "nobody of the name eve: \"dear eve\" came back",
        "ann reads \"dear ann\"",
        "ann says \"thank you\"",
        "bob reads \"dear bob\"",
        "bob says \"thank you\"",
        "12 in all",
    ];
    assert_lines(&text, &lines);
    assert!(
        sum(&text, "the quick worker did ") > sum(&text, "the slow worker did "),
        "{text}"
    );
}

#[test]
fn lazy_pirate() {
    let text = run("lazy_pirate", &[]);
    let lines = [
        "1 × 1 = 1",
        "2 × 2 = 4",
        "3 × 3 = 9",
        "4 × 4 = 16",
        "5 × 5 = 25",
        "6 × 6: the server seems to be gone, giving up",
        "no answer in 400 ms, asking again",
        "the server has died, asking again",
    ];
    assert_lines(&text, &lines);
}

#[test]
fn sync_pub() {
    let text = run("sync_pub", &[]);
    let lines = [
        "before anybody subscribed: 1 message sent, 0 taken",
        "subscriber 1 heard 10000, the first was 1",
        "subscriber 2 heard 10000, the first was 1",
        "subscriber 3 heard 10000, the first was 1",
    ];
    assert_lines(&text, &lines);
}

#[test]
fn envelopes() {
    let lines = [
        "– [A][desk 1][B is not meant]",
        "✓ [B][desk 1][this is]",
        "✓ [Bee][desk 2][this too: a prefix is enough]",
        "REQ sends        [how late is it?]",
        "ROUTER receives  [ann][][how late is it?]",
        "ROUTER sends     [ann][][late]",
        "REQ receives     [late]",
    ];
    assert_lines(&run("envelopes", &[]), &lines);
}

#[test]
fn work_queue() {
    let text = run("work_queue", &[]);
    let lines = [
        "the queue is full: 4 jobs in it, job 5 came back",
        "all 30 jobs are done; the squares of 1 to 30 sum up to 9455",
    ];
    assert_lines(&text, &lines);
    assert_eq!(sum(&text, " did "), 30, "{text}");
}

#[test]
fn queue_proxy() {
    let text = run("queue_proxy", &[]);
    let lines = [
        "while it is paused, an answer comes: false",
        "then it is resumed: b\"IS ANYBODY THERE?\"",
        "61 questions passed to the workers",
        "61 answers passed back",
        "122 of both were captured",
    ];
    assert_lines(&text, &lines);
    assert_eq!(sum(&text, "a worker answered "), 61, "{text}");
}

#[test]
fn forwarder() {
    let text = run("forwarder", &[]);
    let lines = [
        "\"oslo\" heard 50 readings, one after the other",
        "\"rome\" heard 50 readings, one after the other",
        "oslo was sent to the forwarder: true",
        "rome was sent to the forwarder: true",
        "lima was sent to the forwarder: false",
    ];
    assert_lines(&text, &lines);
    assert!(sum(&text, "the forwarder passed ") >= 100, "{text}");
}

#[test]
fn event_bus() {
    let lines = [
        "by name: packing 7 apples",
        "by name: packing 2 pears",
        "by name: unpacking 2 pears",
        "by type: 1 order open, apples are low",
        "6 events passed the bus",
    ];
    assert_lines(&run("event_bus", &[]), &lines);
}

#[test]
fn relay() {
    let text = run("relay", &[]);
    let lines = [
        "the baton → ann → bob → cid",
        "the judge: the baton is valid",
        "1 baton seen; all have gone home",
    ];
    assert_lines(&text, &lines);
    assert!(text.contains("2000 laps more, "), "{text}");
}

#[test]
fn event_server() {
    let lines = [
        "order.placed     ok  7 apples: packing",
        "order.placed     no  \"no pears\" is no order",
        "order.cancelled  ok  7 apples: unpacking",
        "order.lost       no  nobody handles \"order.lost\"",
        "stock.counted    ok  apples: 5000, counted by hand",
        "5 events handled",
    ];
    assert_lines(&run("event_server", &[]), &lines);
}

#[test]
fn async_server() {
    let text = run("async_server", &[]);
    for name in ["ann", "bob", "cid"] {
        let line = text.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in:\n{text}"));
        let order = line.strip_prefix(&format!("{name}: 6 answers, done in the order "));
        let mut order: Vec<&str> = order.expect("all is answered").split(", ").collect();
        order.sort_unstable();
        assert_eq!(order, ["1", "2", "3"], "{text}");
    }
    assert!(text.contains("360 ms of work, done in "), "{text}");
}

#[test]
fn lb_broker() {
    let text = run("lb_broker", &[]);
    assert_lines(&text, &["40 questions, all answered"]);
    assert_eq!(sum(&text, "worker answered "), 40, "{text}");
    let answered = |name: &str| sum(&text, &format!("the {name} worker answered "));
    assert!(answered("quick") > answered("slow"), "{text}");
}

/// Nine intervals that hold the truth nineteen times in twenty: six of them agree but for the worst
/// of luck, or on a machine that is busy with other things for most of a run. That is given two
/// more chances.
#[test]
fn queueing() {
    let file = env::temp_dir().join(format!("hubless-queueing-{}.svg", std::process::id()));
    let agreed = ["1", "2", "4"].iter().any(|seconds| {
        let text = run("queueing", &[seconds, &file.display().to_string()]);
        let drawn = fs::read_to_string(&file).expect("a drawing");
        fs::remove_file(&file).expect("it is ours");
        check_queueing(&text, &drawn);
        let line = text
            .lines()
            .find(|line| line.contains(" of 9 agree with the theory"));
        let agree = line.and_then(|line| line.split(' ').next()?.parse::<u32>().ok());
        println!("{agree:?} of 9 in {seconds} s");
        agree.expect("how many agree") >= 6
    });
    assert!(agreed, "what is measured is not what the theory says");
}

/// The queue is short while one worker is enough, and every job is done, waited for and timed.
#[test]
fn dashboard() {
    let text = run("dashboard", &["1"]);
    let rows: Vec<Vec<f64>> = text
        .lines()
        .map(|line| {
            line.split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect()
        })
        .filter(|row: &Vec<f64>| row.len() == 9)
        .collect();
    assert_eq!(rows.len(), 16, "{text}");
    for row in &rows {
        let [_, servers, arrivals, service_rate, load, ..] = row[..] else {
            panic!("nine numbers");
        };
        // In so short a time nobody may have been served.
        if service_rate > 0.0 {
            let meant = arrivals / service_rate / servers;
            assert!((load - meant).abs() < 0.02 + 0.02 * meant, "{row:?}");
        }
    }
    assert_eq!((rows[0][1], rows[15][1]), (1.0, 2.0), "help came");
    assert!(text.contains(" jobs are done"), "{text}");
    assert_eq!(text.matches("p99.9").count(), 2, "{text}");
}

fn check_queueing(text: &str, drawn: &str) {
    for (what, count) in [("<polyline", 3), ("<circle", 9), ("</svg>", 1)] {
        assert_eq!(drawn.matches(what).count(), count, "{what}");
    }
    let rows = text.lines().filter(|line| line.contains(" ± "));
    let rows: Vec<Vec<f64>> = rows
        .map(|row| {
            row.split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect()
        })
        .collect();
    assert_eq!(rows.len(), 9, "{text}");
    for row in rows {
        // Little's law holds however busy the machine is: the meter, which sees no single message,
        // finds what the messages' own times say.
        let [little, metered] = row[row.len() - 2..] else {
            panic!("{text}");
        };
        assert!((little - metered).abs() < 1.0 + 0.5 * little, "{text}");
    }
    // The plot in the terminal: what is measured, in its interval, and the theory.
    let bars = text
        .lines()
        .filter(|line| line.contains("c = ") && line.contains('●'));
    assert_eq!(bars.count(), 9, "{text}");
}

/// The sum of the numbers that stand behind `before`.
fn sum(text: &str, before: &str) -> u32 {
    text.split(before)
        .skip(1)
        .map(|rest| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
            digits
                .and_then(|it| it.parse::<u32>().ok())
                .expect("a number")
        })
        .sum()
}

/// The value behind `key=` in a line of `perf`.
#[track_caller]
fn value(text: &str, key: &str) -> f64 {
    let word = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix(key));
    let word = word.unwrap_or_else(|| panic!("no {key} in {text:?}"));
    word.parse().expect("a number")
}

#[test]
fn perf_throughput() {
    for (receiver, sender) in [("pull", "push"), ("router", "dealer"), ("sub", "pub")] {
        let at = ipc();
        let receiver = Running::start("perf", &[receiver, &at, "100", "2000"]);
        let sent = run("perf", &[sender, &at, "100", "2000"]);
        assert_eq!(sent.trim(), "sent=2000 unsent=0 dropped=0");
        let received = receiver.finish();
        assert_eq!(value(&received, "lost="), 0.0);
        assert!(value(&received, "msgs/s=") > 0.0);
    }
    assert_eq!(
        value(&run("perf", &["inproc-thr", "100", "2000"]), "lost="),
        0.0
    );
}

#[test]
fn perf_latency_and_connections() {
    let at = ipc();
    let rep = Running::start("perf", &["rep", &at, "1", "100"]);
    let times = run("perf", &["req", &at, "1", "100"]);
    assert!(value(&times, "p50_us=") <= value(&times, "p99_us="));
    assert_eq!(rep.finish().trim(), "answered=100");
    let at = ipc();
    let rep = Running::start("perf", &["rep", &at, "1", "20"]);
    assert!(value(&run("perf", &["conn", &at, "1", "20"]), "conns/s=") > 0.0);
    assert_eq!(rep.finish().trim(), "answered=20");
    assert!(value(&run("perf", &["inproc-lat", "1", "100"]), "mean_us=") > 0.0);
}

#[test]
#[cfg(target_os = "linux")]
fn perf_memory() {
    for kind in ["pull", "router", "rep"] {
        let at = ipc();
        let peers = Running::start("perf", &["peers", kind, &at, "20"]);
        let memory = run("perf", &["idle", kind, &at, "20"]);
        assert!(value(&memory, "after_kb=") >= value(&memory, "bound_kb="));
        assert_eq!(peers.finish().trim(), "peers=20");
    }
}

#[test]
fn perf_explains_itself() {
    for arguments in [
        &["pull", "tcp://127.0.0.1:1", "1", "zero"][..],
        &["fly"],
        &[],
    ] {
        let mut command = Command::new(example("perf"));
        let output = command.args(arguments).output().expect("to run it");
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("usage: perf"));
    }
}

#[test]
fn poller() {
    let text = run("poller", &[]);
    assert_lines(
        &text,
        &[
            "console: that will do",
            "20 readings, 210 in all; every question answered",
            "the clock ticked meanwhile: true",
        ],
    );
}

#[test]
fn interrupt() {
    let text = run("interrupt", &[]);
    let before = text
        .lines()
        .find_map(|line| line.strip_prefix("interrupted after ")?.split(' ').next())
        .and_then(|count| count.parse::<u32>().ok())
        .unwrap_or_else(|| panic!("not interrupted:\n{text}"));
    // On a busy machine the signal may come late, but it comes.
    assert!(before <= 20, "{text}");
    let more = 20 - before;
    assert_lines(
        &text,
        &[&format!("{more} more were here already; now 20 are done")],
    );
}
