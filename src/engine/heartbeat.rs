//! Heartbeats: noticing a peer that is gone without a word (RFC 37, "Connection Heartbeating").
//!
//! ```text
//!   ours     ping_at ──every interval──► PING leaves, answer_by begins unless it runs
//!   theirs   PING with a TTL ──► speak_by begins
//!   any octet received ──► both end
//!   answer_by or speak_by passes ──► the connection ends
//! ```
//!
//! PING is not sent before READY, never to ZMTP 2.0, and to a 3.0 peer only after one of its own:
//! old ones would take it for a message. (Unless we were told to be like libzmq.)

use std::time::Duration;

use super::Config;
use crate::{
    base::time::Time,
    wire::{
        Revision,
        command::{CONTEXT_OCTETS_MAX, encode_ping, encode_pong},
    },
};

/// The longest TTL that we ask for, in tenths of a second. Milliseconds beyond it do not fit the
/// 16 bits in which some peers count them.
const TTL_TENTHS_MAX: u16 = 655;

/// Answers to PINGs that wait to leave, at most.
const PONGS_MAX: usize = 16;

/// Both directions' timers, and what is to be sent for them.
#[derive(Debug)]
pub(super) struct Heartbeat {
    interval: Option<Duration>,
    timeout: Option<Duration>,
    ttl_tenths: u16,
    ping_at: Option<Time>,
    answer_by: Option<Time>,
    speak_by: Option<(Time, Duration)>,
    /// PINGs go also to who has sent none, and speaks no 3.1.
    pings_3_0: bool,
    paused: bool,
    ping_waits: bool,
    /// What PINGs said that are not answered yet.
    pongs_wait: Vec<Context>,
}

#[derive(Clone, Copy, Debug)]
struct Context {
    octets: [u8; CONTEXT_OCTETS_MAX],
    length: usize,
}

impl Heartbeat {
    pub(super) fn new(config: &Config) -> Heartbeat {
        let set = |wait: Duration| !wait.is_zero();
        let interval = config.heartbeat_interval.filter(|&wait| set(wait));
        Heartbeat {
            interval,
            timeout: config
                .heartbeat_timeout
                .or(interval)
                .filter(|&wait| set(wait)),
            ttl_tenths: ttl_tenths(config.heartbeat_ttl, interval),
            ping_at: None,
            answer_by: None,
            speak_by: None,
            pings_3_0: config.pings_3_0,
            paused: false,
            ping_waits: false,
            pongs_wait: Vec::new(),
        }
    }

    /// The handshake is complete.
    pub(super) fn start(&mut self, now: Time, revision: Revision) {
        let first = match self.pings_3_0 {
            true => Revision::V3_0,
            false => Revision::V3_1,
        };
        if revision >= first {
            self.ping_at = self.interval.map(|interval| after(now, interval));
        }
    }

    /// Octets came.
    #[inline]
    pub(super) fn heard(&mut self) {
        self.answer_by = None;
        self.speak_by = None;
    }

    /// Octets came after the PING that was handled last.
    pub(super) fn heard_after_ping(&mut self) {
        self.speak_by = None;
    }

    /// A PING came: it is answered. If more than a few come before an answer can leave, the last of
    /// them stands for the rest.
    pub(super) fn handle_ping(&mut self, now: Time, ttl_tenths: u16, context: &[u8]) {
        let mut octets = [0; CONTEXT_OCTETS_MAX];
        for (place, octet) in octets.iter_mut().zip(context) {
            *place = *octet;
        }
        self.pongs_wait.truncate(PONGS_MAX - 1);
        self.pongs_wait.push(Context {
            octets,
            length: context.len(),
        });
        let ttl = Duration::from_millis(u64::from(ttl_tenths).saturating_mul(100));
        self.speak_by = (!ttl.is_zero()).then(|| (after(now, ttl), ttl));
        if self.ping_at.is_none() {
            self.ping_at = self.interval.map(|interval| after(now, interval));
        }
    }

    pub(super) fn poll_output(&mut self, out: &mut Vec<u8>) {
        for context in std::mem::take(&mut self.pongs_wait) {
            encode_pong(
                context
                    .octets
                    .get(..context.length)
                    .unwrap_or(&context.octets),
                out,
            );
        }
        if std::mem::take(&mut self.ping_waits) {
            encode_ping(self.ttl_tenths, out);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        let speak_by = self.speak_by.map(|(deadline, _)| deadline);
        let silence = [self.answer_by, speak_by];
        let silence = silence.into_iter().flatten().filter(|_| !self.paused);
        silence.chain(self.ping_at).min()
    }

    /// Does what is due; `false` if the peer was silent too long.
    pub(super) fn handle_timeout(&mut self, now: Time) -> bool {
        let passed = |deadline: Time| deadline <= now && !self.paused;
        let speak_by = self.speak_by.map(|(deadline, _)| deadline);
        if self.answer_by.is_some_and(passed) || speak_by.is_some_and(passed) {
            return false;
        }
        if self.ping_at.is_some_and(|due| due <= now) {
            self.ping_at = self.interval.map(|interval| after(now, interval));
            self.ping_waits = true;
            if self.answer_by.is_none() {
                self.answer_by = self.timeout.map(|timeout| after(now, timeout));
            }
        }
        true
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    /// Limits on silence that were running begin anew.
    pub(super) fn resume(&mut self, now: Time) {
        if !std::mem::take(&mut self.paused) {
            return;
        }
        if self.answer_by.is_some() {
            self.answer_by = self.timeout.map(|timeout| after(now, timeout));
        }
        if let Some((deadline, ttl)) = &mut self.speak_by {
            *deadline = after(now, *ttl);
        }
    }
}

/// `now` and `wait`; stops at the end of time.
#[allow(clippy::arithmetic_side_effects)]
fn after(now: Time, wait: Duration) -> Time {
    now + wait
}

/// The TTL of our PINGs. One that had to be cut below our own interval would end good
/// connections: then none is asked for.
fn ttl_tenths(asked: Option<Duration>, interval: Option<Duration>) -> u16 {
    let tenths = asked.map_or(0, |ttl| ttl.as_millis() / 100);
    match u16::try_from(tenths) {
        Ok(tenths) if tenths <= TTL_TENTHS_MAX => tenths,
        _ if interval.is_some_and(|it| it.as_millis() / 100 >= TTL_TENTHS_MAX.into()) => 0,
        _ => TTL_TENTHS_MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{options::Options, socket_type::SocketType};

    fn at(millis: u64) -> Time {
        Time::START + Duration::from_millis(millis)
    }

    fn heartbeat(interval: u64, timeout: Option<u64>, ttl: u64) -> Heartbeat {
        let options = Options {
            heartbeat_interval: Some(Duration::from_millis(interval)),
            heartbeat_timeout: timeout.map(Duration::from_millis),
            heartbeat_ttl: Some(Duration::from_millis(ttl)),
            ..Options::default()
        };
        Heartbeat::new(&Config::from_options(SocketType::Pair, &options))
    }

    fn output(heartbeat: &mut Heartbeat) -> Vec<u8> {
        let mut out = Vec::new();
        heartbeat.poll_output(&mut out);
        out
    }

    const PING: &[u8] = b"\x04\x07\x04PING\0\0";

    #[test]
    fn pings_come_each_interval_and_silence_counts_from_the_first() {
        let mut heart = heartbeat(100, Some(250), 0);
        assert_eq!(heart.poll_timeout(), None);
        heart.start(at(0), Revision::V3_1);
        for due in [100, 200, 300] {
            assert_eq!(heart.poll_timeout(), Some(at(due)));
            assert!(heart.handle_timeout(at(due)));
            assert_eq!(output(&mut heart), PING);
            assert_eq!(output(&mut heart), b"");
        }
        assert_eq!(heart.poll_timeout(), Some(at(350)));
        assert!(heart.handle_timeout(at(349)));
        assert!(!heart.handle_timeout(at(350)));
    }

    #[test]
    fn any_octet_is_life() {
        let mut heart = heartbeat(100, None, 0);
        heart.start(at(0), Revision::V3_1);
        assert!(heart.handle_timeout(at(100)));
        heart.heard();
        assert!(
            heart.handle_timeout(at(200)),
            "the timeout of 100 was stopped"
        );
        assert!(!heart.handle_timeout(at(300)));
    }

    #[test]
    fn a_late_timer_pings_once() {
        let mut heart = heartbeat(100, Some(0), 0);
        heart.start(at(0), Revision::V3_1);
        assert!(heart.handle_timeout(at(1000)));
        assert_eq!(output(&mut heart), PING);
        assert_eq!(
            heart.poll_timeout(),
            Some(at(1100)),
            "and a timeout of 0 is none"
        );
    }

    #[test]
    fn a_3_0_peer_is_not_pinged_before_it_pings_and_2_0_never() {
        for old in [Revision::V3_0, Revision::V2_0] {
            let mut heart = heartbeat(100, None, 0);
            heart.start(at(0), old);
            assert_eq!(heart.poll_timeout(), None);
        }
        let mut heart = heartbeat(100, None, 0);
        heart.start(at(0), Revision::V3_0);
        heart.handle_ping(at(50), 0, b"");
        assert_eq!(heart.poll_timeout(), Some(at(150)));
    }

    #[test]
    fn like_libzmq_a_3_0_peer_is_pinged_and_2_0_is_not() {
        for (old, pinged_at) in [(Revision::V3_0, Some(at(100))), (Revision::V2_0, None)] {
            let options = Options {
                heartbeat_interval: Some(Duration::from_millis(100)),
                like_libzmq: true,
                ..Options::default()
            };
            let config = Config::from_options(SocketType::Pair, &options);
            let mut heart = Heartbeat::new(&config);
            heart.start(at(0), old);
            assert_eq!(heart.poll_timeout(), pinged_at, "{old:?}");
        }
    }

    #[test]
    fn each_ping_is_answered_but_no_more_than_a_few_wait() {
        let mut heart = heartbeat(0, None, 0);
        heart.start(at(0), Revision::V3_1);
        heart.handle_ping(at(0), 0, b"one");
        heart.handle_ping(at(0), 0, b"0123456789abcdef");
        let both = b"\x04\x08\x04PONGone\x04\x15\x04PONG0123456789abcdef";
        assert_eq!(output(&mut heart), both);
        assert_eq!(output(&mut heart), b"");
        for number in 0..100u8 {
            heart.handle_ping(at(0), 0, &[number]);
        }
        let answers = output(&mut heart);
        let said: Vec<u8> = answers.chunks(8).map(|answer| answer[7]).collect();
        assert_eq!(said, [(0..15).collect(), vec![99]].concat());
    }

    #[test]
    fn a_ttl_is_tenths_of_a_second_without_overflow() {
        for (tenths, millis) in [(5, 500), (655, 65_500), (656, 65_600), (65_535, 6_553_500)] {
            let mut heart = heartbeat(0, None, 0);
            heart.start(at(0), Revision::V3_1);
            heart.handle_ping(at(1), tenths, b"");
            assert_eq!(heart.poll_timeout(), Some(at(1 + millis)));
            assert!(!heart.handle_timeout(at(1 + millis)));
            heart.heard();
            assert_eq!(heart.poll_timeout(), None);
        }
    }

    #[test]
    fn a_ping_without_ttl_takes_an_earlier_one_back() {
        let mut heart = heartbeat(0, None, 0);
        heart.start(at(0), Revision::V3_1);
        heart.handle_ping(at(1), 5, b"");
        heart.handle_ping(at(1), 0, b"");
        assert_eq!(heart.poll_timeout(), None);
    }

    #[test]
    fn our_ttl_is_never_above_655_nor_cuts_our_own_interval() {
        let ttl = |interval, ttl| heartbeat(interval, None, ttl).ttl_tenths;
        assert_eq!(ttl(100, 1250), 12);
        assert_eq!(ttl(100, 65_599), 655);
        assert_eq!(ttl(100, 65_600), 655);
        assert_eq!(ttl(100, u64::MAX), 655);
        assert_eq!(ttl(65_500, 200_000), 0);
    }

    #[test]
    fn while_we_do_not_read_silence_is_not_the_peers_fault() {
        let mut heart = heartbeat(100, None, 0);
        heart.start(at(0), Revision::V3_1);
        heart.handle_ping(at(50), 1, b"");
        assert!(heart.handle_timeout(at(100)));
        heart.pause();
        assert_eq!(heart.poll_timeout(), Some(at(200)), "our PINGs go on");
        assert!(heart.handle_timeout(at(1000)));
        heart.resume(at(1010));
        assert_eq!(heart.poll_timeout(), Some(at(1100)));
        assert!(heart.handle_timeout(at(1109)), "limits began anew at 1010");
        assert!(!heart.handle_timeout(at(1110)));
    }
}
