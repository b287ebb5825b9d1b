//! Weather: a station reports all the time, and everybody hears the towns they asked for.
//!
//! ```text
//!                                 ┌──► Sub "oslo "     the reports of one town
//!   station ──► Pub ──────────────┼──► Sub "ro"        of every town that begins so
//!               "oslo 4" …        └──► Sub ""          all of them
//! ```
//!
//! A live feed needs no beginning: whoever comes late hears what is reported from then on. (Where
//! the first message counts, too, see `sync_pub`.)
//!
//! ```sh
//! cargo run --example weather
//! ```

use std::{error::Error, thread, time::Duration};

use hubless::{Pub, Sub};

/// Each town, and its temperature in degrees around which the reports vary.
const TOWNS: [(&str, i32); 4] = [("oslo", 4), ("rome", 21), ("rostock", 9), ("oslofjord", 2)];

fn main() -> Result<(), Box<dyn Error>> {
    let publisher = Pub::new()?;
    let at = publisher.bind("tcp://127.0.0.1:0")?;

    let station = publisher.clone(); // the same socket: closing one closes both
    let reporting = thread::spawn(move || {
        for round in 0.. {
            for (number, (town, usual)) in TOWNS.iter().enumerate() {
                let now = usual + (round + number as i32) % 5 - 2;
                if station.send(format!("{town} {now}")).is_err() {
                    return round; // closed
                }
            }
            thread::sleep(Duration::from_millis(2));
        }
        unreachable!("the rounds do not end by themselves")
    });

    println!("topic      reports  mean   from");
    for topic in ["oslo ", "ro", ""] {
        let sub = Sub::new()?;
        sub.subscribe(topic)?;
        sub.connect(&at)?;
        let mut sum = 0;
        let mut towns = Vec::new();
        for report in sub.iter().take(20) {
            let (town, degrees) = report.as_str()?.split_once(' ').ok_or("no report")?;
            sum += degrees.parse::<i32>()?;
            if !towns.contains(&town.to_owned()) {
                towns.push(town.to_owned());
            }
        }
        towns.sort();
        let (topic, mean) = (format!("{topic:?}"), f64::from(sum) / 20.0);
        println!("{topic:10} {:7}  {mean:4.1}   {}", 20, towns.join(", "));
    }

    publisher.close(Duration::from_secs(1))?; // the station's `send` says so
    let rounds = reporting.join().expect("the station does not panic");
    println!("the station closes; it asked nobody, and reported {rounds} times");
    Ok(())
}
