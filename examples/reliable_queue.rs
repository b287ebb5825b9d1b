//! Work that must be done, whoever dies: acknowledgements, redelivery, priorities and a journal.
//!
//! ```text
//!                 jobs.journal                    ┌──► Dealer, careless: takes a job and dies
//!                  ▲ put, done                    │
//!   put ──► waiting, by urgency ──► Router ═══════╪──► Dealer, diligent: "ready"
//!              ▲                      ▲           │              ["done", job], which asks for more
//!              └── its worker is gone ┴───────────┘
//! ```
//!
//! The library acknowledges nothing, keeps nothing on disk and knows no urgency; what a program
//! needs of that is this much on top. A job is done when its worker says so. Until then the queue
//! remembers who has it, and hands it to somebody else once that one's connection is gone (a machine
//! that dies without a word is found out by `heartbeat_interval`). What was put and what was done
//! stands in a journal, from which the queue begins anew after a crash.
//!
//! A job may be done twice: its worker may have died, or the queue, after doing and before saying
//! so. Where that matters the worker remembers the numbers of the jobs it has done.
//!
//! ```sh
//! cargo run --example reliable_queue
//! ```

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, VecDeque},
    error::Error,
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
    thread,
    time::Duration,
};

use hubless::{Dealer, Endpoint, IntoEndpoint, Message, PeerId, RecvError, Router};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long a worker waits for work before it asks again: the queue may have been started anew.
const ASK_AGAIN: Duration = Duration::from_millis(200);
const SOON: Duration = Duration::from_secs(10);

fn main() -> Outcome<()> {
    let path = std::env::temp_dir().join(format!("hubless-{}.journal", std::process::id()));
    let mut queue = Queue::open(&path, "ipc://*")?;
    queue.put(0, "wash the apples")?;
    queue.put(0, "slice the apples")?;
    queue.put(9, "put out the fire")?;
    queue.put(0, "bake the pie")?;

    let at = queue.at.clone();
    let careless = thread::spawn(move || take_and_die(&at));
    queue.serve(|queue| queue.redelivered == 1)?;
    careless.join().expect("it dies, but does not panic")?;

    let at = queue.at.clone();
    let diligent = thread::spawn(move || work(&at));
    queue.serve(|queue| queue.done == 2)?;

    println!("the queue crashes");
    let at = queue.at.clone();
    drop(queue);
    let mut queue = Queue::open(&path, &at)?;
    println!("{} jobs are in the journal", queue.waiting.len());
    queue.serve(|queue| queue.waiting.is_empty() && queue.taken.is_empty())?;
    queue.send_home()?;

    let done = diligent.join().expect("a worker does not panic")?;
    println!("the diligent worker did {done} jobs");
    fs::remove_file(path)?;
    Ok(())
}

struct Job {
    urgency: u8,
    number: u64,
    text: String,
}

struct Queue {
    router: Router,
    at: Endpoint,
    journal: File,
    /// The most urgent first, and of those the oldest.
    waiting: BTreeMap<(Reverse<u8>, u64), Job>,
    /// Handed out, and not yet done.
    taken: HashMap<PeerId, Job>,
    idle: VecDeque<PeerId>,
    next: u64,
    done: usize,
    redelivered: usize,
}

impl Queue {
    /// What the journal says is still to be done; a new queue if there is none.
    fn open(path: &Path, endpoint: impl IntoEndpoint) -> Outcome<Queue> {
        let router = Router::builder().notify_disconnect(true).build()?;
        let mut queue = Queue {
            at: router.bind(endpoint)?,
            router,
            journal: OpenOptions::new().append(true).create(true).open(path)?,
            waiting: BTreeMap::new(),
            taken: HashMap::new(),
            idle: VecDeque::new(),
            next: 1,
            done: 0,
            redelivered: 0,
        };
        // What stands behind the last end of a line was being written during the crash.
        let text = fs::read_to_string(path)?;
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            let mut words = line.splitn(4, ' ');
            let what = words.next();
            let number = words.next().unwrap_or_default().parse()?;
            if what == Some("put") {
                let urgency = words.next().unwrap_or_default().parse()?;
                let text = words.next().unwrap_or_default().to_owned();
                queue.wait(Job {
                    urgency,
                    number,
                    text,
                });
                queue.next = number + 1;
            } else {
                queue.waiting.retain(|_, job| job.number != number);
            }
        }
        Ok(queue)
    }

    /// Takes a job in. Once this returns it is on disk.
    fn put(&mut self, urgency: u8, text: &str) -> Outcome<()> {
        let (number, text) = (self.next, text.to_owned());
        self.note(&format!("put {number} {urgency} {text}\n"))?;
        self.next += 1;
        self.wait(Job {
            urgency,
            number,
            text,
        });
        Ok(())
    }

    /// Hands out jobs and hears what became of them, until it is enough.
    fn serve(&mut self, enough: impl Fn(&Queue) -> bool) -> Outcome<()> {
        while !enough(self) {
            self.hand_out()?;
            let (who, said) = self.router.recv_from_timeout(SOON)?;
            match said[0].as_str()? {
                // Its connection has ended: whatever it had is somebody else's now.
                "" => {
                    self.idle.retain(|it| *it != who);
                    if let Some(job) = self.taken.remove(&who) {
                        println!("gone with its worker, and waits again: {}", job.text);
                        self.redelivered += 1;
                        self.wait(job);
                    }
                }
                "done" => {
                    let number: u64 = said[1].as_str()?.parse()?;
                    self.note(&format!("done {number}\n"))?;
                    // By its number: it may have been handed out before a crash.
                    self.waiting.retain(|_, job| job.number != number);
                    if let Some(job) = self.taken.remove(&who) {
                        println!("done: {}", job.text);
                    }
                    self.done += 1;
                    self.idle.push_back(who);
                }
                // "ready", perhaps not for the first time.
                _ if self.idle.contains(&who) || self.taken.contains_key(&who) => {}
                _ => self.idle.push_back(who),
            }
        }
        Ok(())
    }

    /// The most urgent job to whoever has been idle for longest.
    fn hand_out(&mut self) -> Outcome<()> {
        while !self.waiting.is_empty() {
            let Some(who) = self.idle.pop_front() else {
                break;
            };
            let (_, job) = self.waiting.pop_first().expect("one waits");
            println!("handed out: {}", job.text);
            let message = [job.number.to_string(), job.text.clone()];
            if self.router.send_to(&who, message).is_err() {
                self.wait(job); // it has gone just now
            } else {
                self.taken.insert(who, job);
            }
        }
        Ok(())
    }

    fn wait(&mut self, job: Job) {
        self.waiting.insert((Reverse(job.urgency), job.number), job);
    }

    fn note(&mut self, line: &str) -> Outcome<()> {
        self.journal.write_all(line.as_bytes())?;
        self.journal.sync_data()?;
        Ok(())
    }

    fn send_home(self) -> Outcome<()> {
        for who in &self.idle {
            self.router.send_to(who, "")?;
        }
        self.router.close(Duration::from_secs(1))?;
        Ok(())
    }
}

/// Does jobs until it is sent home. Answers how many.
fn work(at: &Endpoint) -> Outcome<usize> {
    let dealer = Dealer::new()?;
    dealer.connect(at)?;
    dealer.send("ready")?;
    let mut count = 0;
    loop {
        let job = match dealer.recv_timeout(ASK_AGAIN) {
            Ok(job) => job,
            Err(RecvError::TimedOut) => {
                dealer.send("ready")?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if job[0].is_empty() {
            return Ok(count);
        }
        count += 1;
        dealer.send(Message::from(["done".into(), job[0].clone()]))?;
    }
}

/// Takes a job, and that is the last that is heard of it.
fn take_and_die(at: &Endpoint) -> Outcome<()> {
    let dealer = Dealer::new()?;
    dealer.connect(at)?;
    dealer.send("ready")?;
    dealer.recv_timeout(SOON)?;
    Ok(())
}
