//! Contexts: sockets that share I/O threads and `inproc` names.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{
    base::{
        context_options::ContextOptions,
        error::{Error, ErrorKind},
        option_table::{OptionName, OptionValue},
        options::Linger,
        stats::IoStats,
        sync::park::{Parked, Parker},
    },
    core::{self, Place},
    reactor::metal::Metal,
    transport::MioMetal,
};

/// Sockets that share I/O threads and `inproc` names.
///
/// Most programs need none: sockets made by `new` share one that is made when first needed. An
/// own context keeps `inproc` names apart, sets the number of I/O threads, and can be closed as a
/// whole.
///
/// ```
/// use hubless::{Context, Pair};
///
/// let context = Context::builder().io_threads(2).build();
/// let left = Pair::builder().context(&context).build()?;
/// let right = Pair::builder().context(&context).build()?;
/// left.bind("inproc://private")?;
/// right.connect("inproc://private")?;
/// right.send("hello")?;
/// assert_eq!(left.recv()?[0], "hello");
/// # Ok::<(), hubless::Error>(())
/// ```
///
/// A clone is the same context. It ends when the last clone and the last socket are gone.
#[derive(Clone, Debug)]
pub struct Context {
    pub(super) inner: Arc<core::Context>,
}

impl Context {
    /// A context of its own, with one I/O thread, which is started when first needed.
    pub fn new() -> Context {
        Context::builder().build()
    }

    /// A context with other settings.
    pub fn builder() -> ContextBuilder {
        ContextBuilder {
            options: ContextOptions::default(),
        }
    }

    /// The context of sockets that were given none.
    pub fn global() -> &'static Context {
        static GLOBAL: OnceLock<Context> = OnceLock::new();
        GLOBAL.get_or_init(Context::new)
    }

    /// What its I/O threads have done, one after the other: those that have been started, which
    /// happens with the first socket that is bound or connected to anything but `inproc`.
    ///
    /// ```
    /// use hubless::{Context, Pull};
    ///
    /// let context = Context::new();
    /// assert!(context.io_stats().is_empty());
    /// let pull = Pull::builder().context(&context).build()?;
    /// pull.bind("tcp://127.0.0.1:0")?;
    /// let thread = context.io_stats()[0];
    /// println!("ρ = {:.2}, {} slow turns", thread.utilisation(), thread.slow_turns);
    /// # Ok::<(), hubless::Error>(())
    /// ```
    pub fn io_stats(&self) -> Vec<IoStats> {
        self.inner.io_stats()
    }

    /// A context on another metal: the simulator's, in our tests.
    #[doc(hidden)]
    pub fn on_metal(metal: Arc<dyn Metal>, io_threads: usize) -> Context {
        Context {
            inner: core::Context::new(
                metal,
                ContextOptions {
                    io_threads,
                    ..ContextOptions::default()
                },
            ),
        }
    }

    /// Sets an option by libzmq's name or number, to libzmq's value. When it takes effect stands in
    /// `docs/OPTIONS.md`: for the sockets, or the I/O threads, that are made from now on.
    ///
    /// ```
    /// use hubless::{Context, OptionValue};
    ///
    /// let context = Context::new();
    /// context.set_option("THREAD_NAME_PREFIX", "trading")?;
    /// context.set_option("IPV6", 1)?;
    /// assert_eq!(context.option("IO_THREADS")?, OptionValue::Number(1));
    /// # Ok::<(), hubless::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidOption`: no such option, or it is only read; a value of another kind or out of
    /// range. What the system refuses its threads shows when the first of them is needed: in
    /// `bind` or `connect`.
    pub fn set_option<'a>(
        &self,
        option: impl Into<OptionName<'a>>,
        value: impl Into<OptionValue>,
    ) -> Result<(), Error> {
        self.inner.set_option(option.into(), &value.into())
    }

    /// The value of an option, by libzmq's name or number.
    ///
    /// # Errors
    /// `InvalidOption`: no such option, or it is only set.
    pub fn option<'a>(&self, option: impl Into<OptionName<'a>>) -> Result<OptionValue, Error> {
        self.inner.option(option.into())
    }

    /// Closes every socket of this context and waits until they have delivered what they had
    /// queued, at most `timeout`; then its I/O threads have ended, too. Calls that wait on them end;
    /// no new sockets can be made.
    ///
    /// # Errors
    /// `TimedOut` if a socket is still at it.
    pub fn close(&self, timeout: Duration) -> Result<(), Error> {
        self.inner.close(Some(Linger::For(timeout)));
        let (parker, waker) = Parker::current();
        let metal = self.inner.metal();
        let until = metal.now() + timeout + Duration::from_millis(500);
        let mut place = Place::default();
        while self.inner.poll_closed(&mut place, &waker).is_pending() {
            let now = metal.now();
            if now >= until {
                self.inner.leave_end(&mut place);
                return Err(ErrorKind::TimedOut.into());
            }
            parker.park(Some(until.since(now)));
        }
        self.inner.end_threads();
        Ok(())
    }

    /// Begins to close every socket, each with the linger it has: calls that wait on them end, no
    /// new sockets can be made. Does not wait.
    pub fn shutdown(&self) {
        self.inner.close(None);
    }

    /// Waits until every socket has closed, at most `timeout` (`None`: as long as it takes). After
    /// [`shutdown`](Context::shutdown) its I/O threads have ended then, too.
    ///
    /// # Errors
    /// `TimedOut`; `Interrupted` if a signal came.
    pub fn wait_closed(&self, timeout: Option<Duration>) -> Result<(), Error> {
        let (parker, waker) = Parker::current();
        let metal = self.inner.metal();
        let until = timeout.map(|timeout| metal.now() + timeout);
        let mut place = Place::default();
        while self.inner.poll_closed(&mut place, &waker).is_pending() {
            let now = metal.now();
            let wait = until.map(|until| until.since(now));
            let failed = if wait == Some(Duration::ZERO) {
                ErrorKind::TimedOut
            } else if core::sleep(&**metal, &parker, wait) == Parked::Interrupted {
                ErrorKind::Interrupted
            } else {
                continue;
            };
            self.inner.leave_end(&mut place);
            return Err(failed.into());
        }
        self.inner.end_threads();
        Ok(())
    }
}

impl Default for Context {
    fn default() -> Context {
        Context::new()
    }
}

/// Settings of a [`Context`].
#[derive(Clone, Debug)]
#[must_use = "a builder makes its context in `build`"]
pub struct ContextBuilder {
    options: ContextOptions,
}

impl ContextBuilder {
    /// How many I/O threads there may be; at least one. Each socket belongs to one of them.
    pub fn io_threads(mut self, count: usize) -> ContextBuilder {
        self.options.io_threads = count.max(1);
        self
    }

    /// How many sockets may be open at one time.
    pub fn max_sockets(mut self, count: usize) -> ContextBuilder {
        self.options.sockets_max = count;
        self
    }

    /// The context.
    pub fn build(self) -> Context {
        let metal = Arc::new(MioMetal::new());
        Context {
            inner: core::Context::new(metal, self.options),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::api::Push;

    #[test]
    fn who_waited_in_vain_for_the_end_stands_in_nobodys_way() {
        let context = Context::new();
        let push = Push::builder()
            .context(&context)
            .build()
            .expect("it is open");
        for _ in 0..3 {
            let waited = context.wait_closed(Some(Duration::from_millis(1)));
            assert_eq!(waited.map_err(|it| it.kind()), Err(ErrorKind::TimedOut));
        }
        assert!(!context.inner.is_awaited());
        drop(push);
        context.shutdown();
        context.wait_closed(None).expect("it ends");
    }
}
