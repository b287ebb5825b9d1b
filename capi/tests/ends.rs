//! The end of a context: nothing of it is left when `zmq_ctx_term` has returned.

mod common;

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use common::*;
use zmq::*;

/// In the flags of a thread: it has begun to end, for the system's part only.
const EXITING: u64 = 4;

/// How many threads of this process have names that begin so, and have not ended.
fn threads(prefix: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("the system's list");
    let is_one = |task: &fs::DirEntry| {
        // It may be gone by now.
        let Ok(said) = fs::read_to_string(task.path().join("stat")) else {
            return false;
        };
        // A number, the name in brackets, and seven more numbers, the last of which are the flags.
        let (before, after) = said.rsplit_once(')').expect("a name");
        let (_, name) = before.split_once('(').expect("a name");
        let flags = after.split_whitespace().nth(6).expect("flags");
        name.starts_with(prefix) && flags.parse::<u64>().expect("a number") & EXITING == 0
    };
    tasks.filter(|it| it.as_ref().is_ok_and(is_one)).count()
}

#[test]
fn no_thread_outlives_its_context() {
    for turn in 0..50 {
        let mut stage = Stage::new();
        // SAFETY: the context is open.
        unsafe {
            assert_eq!(zmq_ctx_set(stage.context, 9, 4711), 0);
            assert_eq!(zmq_ctx_set(stage.context, 1, 2), 0);
        }
        let [pull, push] = stage.pair([PULL, PUSH], "tcp://127.0.0.1:*");
        assert_eq!(send(push, "hello", 0), 5);
        assert_eq!(recv(pull, 0), Ok(b"hello".to_vec()));
        // Each gives itself its name.
        let until = Instant::now() + Duration::from_secs(20);
        while threads("4711/io-") < 2 {
            assert!(Instant::now() < until, "two I/O threads");
            thread::yield_now();
        }
        drop(stage);
        assert_eq!(threads("4711/io-"), 0, "in turn {turn}");
    }
}
