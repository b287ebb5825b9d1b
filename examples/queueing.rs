//! Queueing theory, measured: how long does work wait, and what does another worker change?
//!
//! ```text
//!   Poisson arrivals, λ            c workers, each μ
//!   Push ═══════► queue (Pull) ═══════► exponential service, 1/μ on average
//!
//!   ρ = λ / cμ     W: from arrival to the end     L = λ·W: in the system (Little)
//! ```
//!
//! For each number of workers and each load the program measures W and sets it beside M/M/1 and
//! Erlang's formula C (M/M/c); and it reads the queue's length off a `Meter`, which knows nothing of
//! single messages, and sets that beside λ times the measured wait. The intervals hold W nineteen
//! times in twenty, as far as so short a run can tell: more seconds, narrower intervals.
//!
//! ```sh
//! cargo run --release --example queueing
//! ```
//!
//! `queueing SECONDS FILE` measures for longer, and draws the curves into FILE, as SVG.

use std::{
    env,
    error::Error,
    fs, thread,
    time::{Duration, Instant},
};

use hubless::{Meter, Pull, Push};

const WORKERS: [usize; 3] = [1, 2, 4];
const LOADS: [f64; 3] = [0.4, 0.6, 0.8];
/// 1/μ, seconds.
const SERVICE_S: f64 = 0.004;
/// Parts of a run, whose averages say how far W may be trusted.
const BATCHES: usize = 10;
/// Student's t for as many batches, 95 %.
const STUDENT: f64 = 2.262;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = env::args().skip(1);
    let seconds: f64 = arguments.next().map_or(Ok(1.5), |text| text.parse())?;
    let runs: Vec<_> = WORKERS
        .into_iter()
        .flat_map(|workers| LOADS.map(|load| (workers, load)))
        .map(|(workers, load)| thread::spawn(move || measure(workers, load, seconds)))
        .collect();

    println!("  c     ρ    λ/s      W measured, ms     theory   waiting: λ·Wq   metered");
    let mut found = Vec::new();
    for run in runs {
        let run = run.join().expect("a run does not panic")?;
        println!(
            "  {}  {:4.2}  {:5.0}  {:6.2} ± {:5.2}  {}  {:8.2}  {:10.2}  {:11.2}",
            run.workers,
            run.load(),
            run.arrivals,
            1e3 * run.total_s(),
            1e3 * run.margin_s,
            if run.agrees() { "agrees " } else { "differs" },
            1e3 * run.theory_s(),
            run.arrivals * run.wait_s,
            run.metered,
        );
        found.push(run);
    }
    println!();
    for run in &found {
        println!(
            "  c = {}  ρ = {:4.2}  {}",
            run.workers,
            run.load(),
            bar(run)
        );
    }
    println!("                 0 ms, to 40 ms: ● measured  ─ interval  ◇ theory");

    let agree = found.iter().filter(|run| run.agrees()).count();
    println!("{agree} of {} agree with the theory", found.len());
    if let Some(file) = arguments.next() {
        fs::write(&file, svg(&found))?;
        println!("drawn in {file}");
    }
    Ok(())
}

/// What a run has come to.
struct Run {
    workers: usize,
    /// λ, messages a second.
    arrivals: f64,
    /// Mean time in the queue, and of service.
    wait_s: f64,
    service_s: f64,
    /// Half the interval of W.
    margin_s: f64,
    /// Messages in the queue on average, by the meter.
    metered: f64,
}

impl Run {
    /// W.
    fn total_s(&self) -> f64 {
        self.wait_s + self.service_s
    }

    /// ρ, of what was measured: a busy machine sleeps longer than it was told to.
    fn load(&self) -> f64 {
        self.arrivals * self.service_s / self.workers as f64
    }

    fn theory_s(&self) -> f64 {
        erlang_wait_s(self.workers, self.load(), self.service_s) + self.service_s
    }

    fn agrees(&self) -> bool {
        (self.total_s() - self.theory_s()).abs() <= self.margin_s
    }
}

/// Erlang's formula C: the mean wait of M/M/c. For one worker it is that of M/M/1, ρ / (μ − λ).
fn erlang_wait_s(workers: usize, load: f64, service_s: f64) -> f64 {
    if load >= 1.0 {
        return f64::INFINITY;
    }
    let offered = load * workers as f64;
    let (mut term, mut sum) = (1.0, 0.0);
    for n in 1..=workers {
        sum += term;
        term *= offered / n as f64;
    }
    let all_busy = term / (1.0 - load);
    let waits = all_busy / (sum + all_busy);
    waits * service_s / (workers as f64 * (1.0 - load))
}

fn measure(workers: usize, load: f64, seconds: f64) -> Result<Run, Failure> {
    let at = format!("inproc://queue-{workers}-{load}");
    let queue = Pull::builder().recv_hwm(0).build()?;
    let source = Push::builder().send_hwm(0).build()?;
    queue.bind(&at)?;
    source.connect(&at)?;
    let start = Instant::now();
    let seed = (workers * 100) as u64 + (100.0 * load) as u64;

    let serving: Vec<_> = (0..workers as u64)
        .map(|worker| {
            let queue = queue.clone();
            thread::spawn(move || serve(&queue, start, Dice(seed * 31 + worker + 1)))
        })
        .collect();
    let meter = Meter::new(&queue);
    let arriving = thread::spawn(move || {
        let mut dice = Dice(seed);
        let rate = load * workers as f64 / SERVICE_S;
        let mut next = 0.0;
        let mut count = 0;
        while next < seconds {
            next += dice.exponential(1.0 / rate);
            sleep_until(start, next);
            source.send(start.elapsed().as_secs_f64().to_string())?;
            count += 1;
        }
        // As many ends as there are workers; they are not counted.
        source.send_all((0..workers).map(|_| "end"))?;
        Ok::<(u32, f64), Failure>((count, next))
    });
    let metered = read_meter(meter, start, seconds);
    let (count, until) = arriving.join().expect("the source does not panic")?;

    // In the order of their arrival, as (arrival, wait, service).
    let mut jobs: Vec<(f64, f64, f64)> = Vec::new();
    for worker in serving {
        jobs.extend(worker.join().expect("a worker does not panic")?);
    }
    jobs.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(jobs.len(), count as usize, "each is served once");
    let mean = |of: &dyn Fn(&(f64, f64, f64)) -> f64, jobs: &[(f64, f64, f64)]| {
        jobs.iter().map(of).sum::<f64>() / jobs.len() as f64
    };
    let batch = jobs.len().div_ceil(BATCHES).max(1);
    let totals: Vec<f64> = jobs
        .chunks(batch)
        .map(|jobs| mean(&|it| it.1 + it.2, jobs))
        .collect();
    let middle = totals.iter().sum::<f64>() / totals.len() as f64;
    let spread = totals.iter().map(|it| (it - middle).powi(2)).sum::<f64>();
    let variance = spread / (totals.len() as f64 - 1.0).max(1.0);
    Ok(Run {
        workers,
        arrivals: f64::from(count) / until,
        wait_s: mean(&|it| it.1, &jobs),
        service_s: mean(&|it| it.2, &jobs),
        margin_s: STUDENT * (variance / totals.len() as f64).sqrt(),
        metered,
    })
}

/// Serves until the end: what arrived when, waited how long, took how long.
fn serve(queue: &Pull, start: Instant, mut dice: Dice) -> Result<Vec<(f64, f64, f64)>, Failure> {
    let mut served = Vec::new();
    loop {
        let job = queue.recv_timeout(Duration::from_secs(30))?;
        let Ok(arrived) = job.as_str()?.parse::<f64>() else {
            return Ok(served);
        };
        let began = start.elapsed().as_secs_f64();
        sleep_until(start, began + dice.exponential(SERVICE_S));
        let ended = start.elapsed().as_secs_f64();
        served.push((arrived, began - arrived, ended - began));
    }
}

/// Looks at the queue every two milliseconds. Answers how many waited, on average.
fn read_meter(mut meter: Meter, start: Instant, seconds: f64) -> f64 {
    let mut next = 0.0;
    while next < seconds {
        next += 0.002;
        sleep_until(start, next);
        meter.sample();
    }
    let rates = meter.received(Duration::from_secs(60));
    rates.map_or(0.0, |rates| rates.waiting)
}

fn sleep_until(start: Instant, seconds: f64) {
    let wait = Duration::from_secs_f64(seconds).saturating_sub(start.elapsed());
    thread::sleep(wait);
}

/// One line of 50 columns for 40 ms.
fn bar(run: &Run) -> String {
    let column = |seconds: f64| ((seconds / 0.040 * 50.0).max(0.0) as usize).min(50);
    let mut line = vec![' '; 51];
    let interval = column(run.total_s() - run.margin_s)..=column(run.total_s() + run.margin_s);
    line[interval].fill('─');
    line[column(run.theory_s())] = '◇';
    line[column(run.total_s())] = '●';
    line.into_iter().collect()
}

/// W over ρ: a curve for each number of workers, and what was measured.
fn svg(runs: &[Run]) -> String {
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 400.0;
    let x = |load: f64| 50.0 + load.min(1.0) * (WIDTH - 70.0);
    // W in units of the service, up to eight of them.
    let y = |total: f64| HEIGHT - 40.0 - total.clamp(0.0, 8.0) / 8.0 * (HEIGHT - 60.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"white\"/>\n"
    );
    for tick in 0..=8 {
        let (at, left, right) = (y(f64::from(tick)), x(0.0), x(1.0));
        out += &format!("<path d=\"M{left} {at}H{right}\" stroke=\"#ddd\"/>");
        out += &format!("<text x=\"30\" y=\"{at}\">{tick}</text>\n");
    }
    for tick in 0..=10 {
        let load = f64::from(tick) / 10.0;
        out += &format!(
            "<text x=\"{}\" y=\"{}\">{load}</text>\n",
            x(load),
            HEIGHT - 22.0
        );
    }
    out += &format!(
        "<text x=\"{}\" y=\"{}\">load ρ = λ / cμ</text>\n",
        x(0.45),
        HEIGHT - 5.0
    );
    out += "<text x=\"55\" y=\"15\">W, in units of the mean service</text>\n";
    for (workers, colour) in WORKERS.into_iter().zip(["#c0392b", "#2980b9", "#27ae60"]) {
        let points: Vec<String> = (0..98)
            .map(|percent| f64::from(percent) / 100.0)
            .map(|load| (load, 1.0 + erlang_wait_s(workers, load, 1.0)))
            .take_while(|(_, total)| *total <= 8.0)
            .map(|(load, total)| format!("{:.1},{:.1}", x(load), y(total)))
            .collect();
        let points = points.join(" ");
        out += &format!("<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\"/>\n");
        let label = y(8.0 - 0.4 * workers as f64);
        out += &format!("<text x=\"70\" y=\"{label}\" fill=\"{colour}\">c = {workers}</text>\n");
        for run in runs.iter().filter(|run| run.workers == workers) {
            let scaled = |seconds: f64| y(seconds / run.service_s);
            let (at, middle) = (x(run.load()), scaled(run.total_s()));
            let low = scaled(run.total_s() - run.margin_s);
            let high = scaled(run.total_s() + run.margin_s);
            out += &format!("<path d=\"M{at} {low}V{high}\" stroke=\"{colour}\"/>");
            out += &format!("<circle cx=\"{at}\" cy=\"{middle}\" r=\"4\" fill=\"{colour}\"/>\n");
        }
    }
    out + "</svg>\n"
}

/// Marsaglia's xorshift with 64 bits.
struct Dice(u64);

impl Dice {
    /// Exponentially distributed, by inversion.
    fn exponential(&mut self, mean: f64) -> f64 {
        for _ in 0..3 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
        }
        let even = ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -mean * even.ln()
    }
}
