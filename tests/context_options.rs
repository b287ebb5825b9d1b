//! The options of contexts: what each row says, and what it does to threads and sockets.

mod common;

use std::fs;

use common::{SOON, inproc};
use hubless::{
    Context, Error, ErrorKind, OptionAccess, OptionKind, OptionRow, OptionValue, Pull, Push, Rep,
    Req, SendError,
};

fn is_refused<T: std::fmt::Debug>(outcome: Result<T, Error>, row: &OptionRow, what: &str) {
    let error = outcome.expect_err(&format!("{}: {what}", row.name));
    assert_eq!(error.kind(), ErrorKind::InvalidOption, "{}", row.name);
    assert!(error.to_string().contains(row.name), "{error}");
}

#[test]
fn every_option_of_a_context_holds_what_it_says() {
    for row in OptionRow::of_contexts() {
        let context = Context::new();
        let name = row.name;
        let reads = row.access != OptionAccess::Set;
        let begins = context.option(name);
        if reads {
            let begins = begins.unwrap_or_else(|error| panic!("{error}"));
            assert!(begins == row.begins_with(), "{name}: {begins}");
            assert_eq!(context.option(row.number).expect(name), begins, "{name}");
        } else {
            is_refused(begins, row, "only set");
        }
        if row.access == OptionAccess::Get {
            is_refused(context.set_option(name, 1), row, "only read");
            continue;
        }
        // By name and by number, and read again.
        let value: OptionValue = match row.kind {
            OptionKind::Text => "some".into(),
            _ => row.range.1.min(7).into(),
        };
        if name == "THREAD_AFFINITY_CPU_REMOVE" {
            context.set_option(name, 7).expect_err("it was not added");
            context.set_option(7, 7).expect("to add it");
        }
        context.set_option(name, value.clone()).expect(name);
        match (name, context.option(name)) {
            ("IPV6" | "BLOCKY", said) => assert_eq!(said.expect(name), OptionValue::Number(1)),
            (_, Ok(said)) => assert_eq!(said, value, "{name}"),
            (_, Err(_)) => assert!(!reads, "{name}"),
        }
        let (least, most) = row.range;
        let beyond: [OptionValue; 2] = match row.kind {
            OptionKind::Text => ["".into(), "x".repeat(17).as_str().into()],
            _ => [(least - 1).into(), (most + 1).into()],
        };
        for beyond in beyond {
            is_refused(context.set_option(name, beyond), row, "range");
        }
        if row.kind != OptionKind::Text {
            is_refused(context.set_option(name, "1"), row, "kind");
        }
    }
    let context = Context::new();
    for nothing in [0, 4711] {
        context.option(nothing).expect_err("there is none");
        context.set_option(nothing, 1).expect_err("there is none");
    }
    context.set_option("NO_SUCH", 1).expect_err("there is none");
}

/// What the kernel says of our threads of that name: a line of their `status`, or `stat`.
#[cfg(target_os = "linux")]
fn threads(name: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for task in fs::read_dir("/proc/self/task").expect("our threads") {
        let path = task.expect("a thread").path();
        // It may have ended.
        let read = |what: &str| fs::read_to_string(path.join(what)).unwrap_or_default();
        if read("comm").trim_end() == name {
            let stat = read("stat");
            let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
            let fields = fields.split_whitespace().map(String::from).collect();
            found.push((read("status"), fields));
        }
    }
    found
}

/// A context's socket leaves the process: its thread starts.
fn go_out(context: &Context) -> Result<Pull, Error> {
    let pull = Pull::builder().context(context).build()?;
    pull.bind("tcp://127.0.0.1:0")?;
    Ok(pull)
}

#[cfg(target_os = "linux")]
#[test]
fn threads_run_as_they_are_told() {
    const SCHED_BATCH: i32 = 3;
    let context = Context::new();
    let set = |name: &str, value: OptionValue| context.set_option(name, value).expect(name);
    set("THREAD_NAME_PREFIX", "attic".into());
    set("THREAD_SCHED_POLICY", SCHED_BATCH.into());
    // One processor that we may use: the first of those that the kernel names.
    let allowed = fs::read_to_string("/proc/self/status").expect("ourselves");
    let allowed = allowed
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .expect("processors");
    let first: String = allowed
        .trim()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let processor: i64 = first.parse().expect("a number");
    set("THREAD_AFFINITY_CPU_ADD", processor.into());
    set("THREAD_AFFINITY_CPU_ADD", 1000.into());
    set("THREAD_AFFINITY_CPU_REMOVE", 1000.into());
    let again = context.set_option("THREAD_AFFINITY_CPU_REMOVE", 1000);
    assert_eq!(
        again.expect_err("it is gone").kind(),
        ErrorKind::InvalidOption
    );

    let _out = go_out(&context).expect("a thread like that");
    let found = threads("attic/io-0");
    let [(status, stat)] = &found[..] else {
        panic!("one thread: {found:?}");
    };
    let wanted = format!("Cpus_allowed_list:\t{first}\n");
    assert!(status.contains(&wanted), "{status}");
    // Fields from the third on: the policy is the 41st.
    assert_eq!(stat[41 - 3], SCHED_BATCH.to_string());
}

#[cfg(target_os = "linux")]
#[test]
fn threads_are_favoured() {
    let context = Context::new();
    context
        .set_option("THREAD_NAME_PREFIX", 7)
        .expect("a number will do");
    context.set_option("THREAD_PRIORITY", 1).expect("a number");
    match go_out(&context) {
        // It takes a right that not everybody has, and who has it not is told.
        Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}"),
        Ok(_out) => {
            let found = threads("7/io-0");
            let [(_, stat)] = &found[..] else {
                panic!("one thread: {found:?}");
            };
            // The 19th field is the "nice".
            assert_eq!(stat[19 - 3], "-20");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_thread_that_cannot_be_had_is_told_of() {
    for (name, value) in [
        ("THREAD_AFFINITY_CPU_ADD", 1_000_000),
        ("THREAD_SCHED_POLICY", 4711),
    ] {
        let context = Context::new();
        context.set_option(name, value).expect("a number");
        let error = go_out(&context).expect_err("the system has none");
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    }
}

#[test]
fn without_io_threads_sockets_stay_in_the_process() {
    let context = Context::new();
    context.set_option("IO_THREADS", 0).expect("a number");
    let error = go_out(&context).expect_err("no thread");
    assert_eq!(error.kind(), ErrorKind::NoThread);
    let (push, pull) = (
        Push::builder().context(&context).build().expect("a PUSH"),
        Pull::builder().context(&context).build().expect("a PULL"),
    );
    let at = inproc();
    pull.bind(&*at).expect("it needs none");
    push.connect(&*at).expect("it needs none");
    push.send("hello").expect("to send");
    assert_eq!(pull.recv_timeout(SOON).expect("it comes")[0], "hello");
    // It is not too late.
    context.set_option("IO_THREADS", 1).expect("a number");
    go_out(&context).expect("a thread");
}

#[test]
fn a_context_may_have_more_sockets_later() {
    let context = Context::builder().max_sockets(1).build();
    let build = || Pull::builder().context(&context).build();
    let _one = build().expect("the first");
    assert_eq!(build().expect_err("the second").kind(), ErrorKind::TooMany);
    context.set_option("MAX_SOCKETS", 2).expect("a number");
    build().expect("the second");
}

#[test]
fn no_message_is_larger_than_the_context_lets_it_be() {
    let context = Context::new();
    context.set_option("MAX_MSGSZ", 5).expect("a number");
    let (push, pull) = (
        Push::builder().context(&context).build().expect("a PUSH"),
        Pull::builder().context(&context).build().expect("a PULL"),
    );
    let at = inproc();
    pull.bind(&*at).expect("to bind");
    push.connect(&*at).expect("to connect");
    push.send(["12", "345"]).expect("it fits");
    for refused in [push.send(["12", "3456"]), push.try_send("123456")] {
        let error = refused.expect_err("it is too large");
        assert!(matches!(error, SendError::TooLarge(_)), "{error}");
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert_eq!(error.into_message().octets(), 6, "it is ours again");
    }
    assert_eq!(pull.recv_timeout(SOON).expect("it comes").octets(), 5);

    let (req, rep) = (
        Req::new().expect("a REQ, elsewhere"),
        Rep::builder().context(&context).build().expect("a REP"),
    );
    let at = rep.bind("tcp://127.0.0.1:0").expect("to bind");
    req.connect(&at).expect("to connect");
    req.send("whatever it likes").expect("to send");
    let (_, responder) = rep.recv_timeout(SOON).expect("it comes");
    assert!(!responder.reply("123456"), "it is too large");
}

#[test]
fn sockets_begin_as_their_context_says() {
    let context = Context::new();
    context.set_option("IPV6", 1).expect("a number");
    context.set_option("BLOCKY", 0).expect("a number");
    let number = |pull: &Pull, name: &str| pull.option(name).expect(name);
    let pull = Pull::builder().context(&context).build().expect("a PULL");
    assert_eq!(number(&pull, "LINGER"), OptionValue::Number(0));
    assert_eq!(number(&pull, "IPV6"), OptionValue::Number(1));
    // What is said to the socket itself holds.
    let pull = Pull::builder()
        .ipv6(false)
        .option("LINGER", 7)
        .expect("a number")
        .context(&context)
        .build()
        .expect("a PULL");
    assert_eq!(number(&pull, "LINGER"), OptionValue::Number(7));
    assert_eq!(number(&pull, "IPV6"), OptionValue::Number(0));
    // With no linger, nothing waits for a peer that is not there.
    let push = Push::builder().context(&context).build().expect("a PUSH");
    push.connect(&*common::free_port()).expect("to begin");
    push.send("for nobody").expect("to queue");
    common::within("it closes at once", move || drop(push));
    // And IPv6 is spoken.
    let any = Pull::builder().context(&context).build().expect("a PULL");
    match any.bind("tcp://*:0") {
        Ok(at) => assert!(at.to_string().starts_with("tcp://[::]:"), "{at}"),
        Err(error) => println!("skipped: no IPv6 here: {error}"),
    }
}
