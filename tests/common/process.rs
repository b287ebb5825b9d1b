//! A test's other half in a process of its own: the test binary once more, for one test, with
//! a role to play.
//!
//! A child tells its parent something by [`say`]; what its test harness prints is passed over.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
};

use super::SOON;

/// The role that this process was started for, and its arguments; none in the parent.
pub fn role() -> Option<Vec<String>> {
    let role = env::var(ROLE).ok()?;
    Some(role.split(' ').map(str::to_owned).collect())
}

/// Tells the parent.
pub fn say(words: &str) {
    println!("\n{MARK}{words}");
}

/// Waits until the parent says so, or is gone.
pub fn wait_for_parent() {
    let mut line = String::new();
    // Whatever was read, or not: the parent is done with us.
    let _ = std::io::stdin().read_line(&mut line);
}

/// A child that ends with its owner.
pub struct Other {
    child: Child,
    /// `None` once it was closed.
    stdin: Option<ChildStdin>,
    said: mpsc::Receiver<String>,
}

impl Other {
    /// Starts this binary again for `test`, to play `role` (a word, then its arguments).
    pub fn start(test: &str, role: &str) -> Other {
        Other::start_with_descriptors(test, role, None)
    }

    /// As `start`, with a limit on descriptors.
    pub fn start_with_descriptors(test: &str, role: &str, most: Option<usize>) -> Other {
        let binary = env::current_exe().expect("our own path");
        let mut command = match most {
            None => Command::new(binary),
            Some(most) => {
                let mut shell = Command::new("sh");
                let script = format!("ulimit -n {most} && exec \"$0\" \"$@\"");
                shell.arg("-c").arg(script).arg(binary);
                shell
            }
        };
        let mut child = command
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("to start a process");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (tell, said) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(words) = line.strip_prefix(MARK) {
                    // Nobody may be interested any more.
                    let _ = tell.send(words.to_owned());
                }
            }
        });
        let stdin = child.stdin.take();
        Other { child, stdin, said }
    }

    /// The next thing it says.
    pub fn hear(&mut self) -> String {
        match self.said.recv_timeout(SOON) {
            Ok(words) => words,
            Err(_) => panic!("the child says nothing: {:?}", self.child.try_wait()),
        }
    }

    /// Tells it to go on.
    pub fn go_on(&mut self) {
        let stdin = self.stdin.as_mut().expect("it has not ended");
        stdin.write_all(b"\n").expect("the child listens");
    }

    /// Sends it a signal, by its name without SIG.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status()
            .expect("to run kill");
        assert!(status.success(), "kill -{name}");
    }

    /// Waits for its end, which has to be a good one.
    pub fn end(mut self) {
        drop(self.stdin.take());
        let status = self.child.wait().expect("to wait for the child");
        assert!(status.success(), "the child: {status}");
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ROLE: &str = "HUBLESS_TEST_ROLE";
const MARK: &str = "> ";
