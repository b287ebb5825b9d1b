//! Rates of a socket, for whoever asks: sampled from its counters, at no cost to its messages.

use std::{sync::Arc, time::Duration};

use super::sockets::TypedSocket;
use crate::{
    base::rates::{Looks, Rates},
    core::Socket,
};

/// Tells the rates of a socket over the last second, ten seconds, or any span up to a minute.
///
/// It looks at the socket's counters whenever [`sample`](Meter::sample) is called, and never by
/// itself: messages pass as fast as without it. The more often it looks, the finer what it says
/// of queues; rates of arrival are exact between any two looks.
///
/// ```
/// use std::time::Duration;
/// use hubless::{Meter, Pull, Push};
///
/// let (push, pull) = (Push::new()?, Pull::new()?);
/// pull.bind("inproc://metered")?;
/// push.connect("inproc://metered")?;
///
/// let mut meter = Meter::new(&pull); // looks for the first time
/// push.send_all(["wash", "slice", "fry"])?;
/// meter.sample();
/// let rates = meter.received(Duration::from_secs(1)).unwrap();
/// assert!(rates.arrivals > 0.0 && rates.departures == 0.0);
/// println!("{:.0} messages a second, each waits {:?}", rates.arrivals, rates.wait());
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Meter {
    socket: Arc<Socket>,
    sent: Looks,
    received: Looks,
}

impl Meter {
    /// The spans that are mostly looked at: 1, 10 and 60 seconds.
    pub const SPANS: [Duration; 3] = [
        Duration::from_secs(1),
        Duration::from_secs(10),
        Duration::from_secs(60),
    ];

    /// A meter for this socket, all its peers together. It does not keep the socket open.
    pub fn new<S: TypedSocket>(socket: &S) -> Meter {
        let mut meter = Meter {
            socket: Arc::clone(socket.as_core()),
            sent: Looks::default(),
            received: Looks::default(),
        };
        meter.sample();
        meter
    }

    /// Looks at the counters now.
    pub fn sample(&mut self) {
        let stats = self.socket.stats();
        let services = self.socket.services();
        let now = self.socket.context().metal().now();
        self.sent.note(now, stats.sent, services);
        self.received.note(now, stats.received, services);
    }

    /// The rates of what is sent, over the last `span`, as far as there are samples: messages
    /// arrive by `send` and leave for the kernel. `None` before two samples.
    pub fn sent(&self, span: Duration) -> Option<Rates> {
        self.sent.over(span)
    }

    /// The rates of what is received: messages arrive from peers and leave by `recv`.
    pub fn received(&self, span: Duration) -> Option<Rates> {
        self.received.over(span)
    }
}
