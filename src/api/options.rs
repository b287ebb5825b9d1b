//! Options of sockets that exist: what can be changed, and libzmq's options by name.

use std::{os::fd::OwnedFd, time::Duration};

use super::{
    builder::Builder,
    connection::Connection,
    sockets::{
        Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Stream, Sub, TypedSocket, XPub, XSub,
    },
};
use crate::base::{
    endpoint::{Endpoint, IntoEndpoint},
    error::Error,
    message::Message,
    option_table::{OptionName, OptionRow, OptionValue},
    options::{Linger, Verbosity},
};

impl<S: TypedSocket> Builder<S> {
    /// Sets an option by libzmq's name or number, to libzmq's value: times are milliseconds, yes and no are
    /// 1 and 0. `docs/OPTIONS.md` has them all, and the call of ours for each.
    ///
    /// ```
    /// use hubless::Push;
    ///
    /// let push = Push::builder().option("ZMQ_SNDHWM", 10)?.option("ZMQ_LINGER", -1)?.build()?;
    /// let refused = Push::builder().option("ZMQ_GSSAPI_SERVER", 1).unwrap_err();
    /// assert_eq!(refused.to_string(), "option out of range: GSSAPI_SERVER: no GSSAPI here");
    /// # Ok::<(), hubless::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidOption`: no such option, one that cannot act here, is another type's, or is no
    /// setting (as `SUBSCRIBE`); a value of another kind or out of range.
    pub fn option<'a>(
        mut self,
        option: impl Into<OptionName<'a>>,
        value: impl Into<OptionValue>,
    ) -> Result<Self, Error> {
        let row = OptionRow::find(option.into())?;
        if row.set(self.options_mut(row.name), S::TYPE, &value.into())? {
            return Ok(self);
        }
        Err(row.wrong("it is told to a socket that exists"))
    }
}

macro_rules! changeable {
    ($($kind:ident)+) => {$(
        impl $kind {
            /// How long `send` waits from now on; `None`: for ever.
            ///
            /// # Errors
            /// `Closed`.
            pub fn set_send_timeout(
                &self,
                timeout: impl Into<Option<Duration>>,
            ) -> Result<(), Error> {
                let timeout = timeout.into();
                self.owner.change(|options| options.send_timeout = timeout)
            }

            /// How long `recv` waits from now on; `None`: for ever.
            ///
            /// # Errors
            /// `Closed`.
            pub fn set_recv_timeout(
                &self,
                timeout: impl Into<Option<Duration>>,
            ) -> Result<(), Error> {
                let timeout = timeout.into();
                self.owner.change(|options| options.recv_timeout = timeout)
            }

            /// Binds to where a listener of std's, or any socket that listens, is bound already,
            /// and takes it over: from a parent process, or with rights we do not have.
            ///
            /// # Errors
            /// If it does not listen, or is neither TCP nor a Unix-domain socket with a name;
            /// `Closed`.
            pub fn bind_listener(&self, listener: impl Into<OwnedFd>) -> Result<Endpoint, Error> {
                self.owner.socket.bind_listener(listener.into())
            }

            /// How long it goes on delivering once it is closed or dropped.
            ///
            /// # Errors
            /// `Closed`.
            pub fn set_linger(&self, linger: Linger) -> Result<(), Error> {
                self.owner.change(|options| options.linger = linger)
            }

            /// Sets an option by libzmq's name or number, to libzmq's value. When it takes effect stands in
            /// `docs/OPTIONS.md`: at once, or for what is bound and connected from now on.
            ///
            /// # Errors
            /// `InvalidOption`: no such option, one that cannot act here, is another type's, is
            /// only read, or is settled already; a value of another kind or out of range.
            /// `Closed`.
            pub fn set_option<'a>(
                &self,
                option: impl Into<OptionName<'a>>,
                value: impl Into<OptionValue>,
            ) -> Result<(), Error> {
                let row = OptionRow::find(option.into())?;
                self.owner.socket.set_option(row, &value.into())
            }

            /// The value of an option, by libzmq's name or number.
            ///
            /// # Errors
            /// `InvalidOption`: no such option, or it cannot be read here.
            pub fn option<'a>(
                &self,
                option: impl Into<OptionName<'a>>,
            ) -> Result<OptionValue, Error> {
                self.owner.socket.option(OptionRow::find(option.into())?)
            }
        }
    )+};
}

changeable!(Pair Pub Sub Req Rep Dealer Router Pull Push XPub XSub Stream);

/// Options that some types can change: one row each.
macro_rules! changeable_of_some {
    ($(($($kind:ident)+) $name:ident($value:ident: $type:ty) => $field:ident = $set:expr, $doc:literal;)+) => {$($(
        impl $kind {
            #[doc = $doc]
            ///
            /// # Errors
            /// `Closed`.
            pub fn $name(&self, $value: $type) -> Result<(), Error> {
                self.owner.change(|options| options.$field = $set)
            }
        }
    )+)+};
}

changeable_of_some! {
    (XPub) set_verbosity(verbosity: Verbosity) => xpub_verbosity = verbosity,
        "Which subscriptions are shown from now on.";
    (XPub) set_manual(manual: bool) => xpub_manual = manual,
        "Whether subscriptions are only shown, and `subscribe` applies them. Those that were made stay.";
    (XPub) set_last_value(to_last: bool) => xpub_last_value = to_last,
        "Whether, in manual mode, the first message after a subscription goes to that subscriber alone.";
    (XSub) set_verbose_unsubscribe(verbose: bool) => verbose_unsubscribe = verbose,
        "Whether the publishers are told of every cancellation.";
    (Router) set_notify_connect(notify: bool) => notify_connect = notify,
        "Whether an empty message is received of each peer that comes.";
    (Router) set_notify_disconnect(notify: bool) => notify_disconnect = notify,
        "Whether an empty message is received of each peer that goes.";
    (Pub XPub) set_no_drop(wait: bool) => no_drop = wait,
        "Whether a subscriber at its mark makes the send wait, instead of losing the message.";
    (Pub XPub) set_welcome(message: Option<Message>) => welcome = message,
        "The first message for each subscriber that comes from now on.";
    (Pub XPub Sub) set_invert_matching(invert: bool) => invert_matching = invert,
        "Whether what does not match is delivered. Set it on both sides.";
    (Router) set_handover(handover: bool) => router_handover = handover,
        "Whether a newcomer takes over a routing id that is taken.";
    (Router) set_mandatory(mandatory: bool) => mandatory = mandatory,
        "Whether a message that cannot be routed is refused; else it is dropped.";
    (Req) set_relaxed(relaxed: bool) => req_relaxed = relaxed,
        "Whether a new request gives up the one that is open.";
    (Req) set_correlate(correlate: bool) => req_correlate = correlate,
        "Whether the requests from now on are numbered on the wire.";
    (Dealer Router Req) set_probe_router(probe: bool) => probe_router = probe,
        "Whether each new peer is sent an empty message.";
}

/// Connecting under a name of one's own: what it is good for differs, what it does not.
macro_rules! connects_as {
    ($($(#[$doc:meta])* $kind:ident;)+) => {$(
        impl $kind {
            $(#[$doc])*
            ///
            /// # Errors
            /// `InvalidOption` if the name is taken, empty, longer than 255 octets or begins with a zero,
            /// or the socket is `immediate`; else as [`connect`](Self::connect).
            pub fn connect_as(
                &self,
                endpoint: impl IntoEndpoint,
                name: impl AsRef<[u8]>,
            ) -> Result<Connection, Error> {
                let name = bytes::Bytes::copy_from_slice(name.as_ref());
                let endpoint = endpoint.into_endpoint()?;
                Connection::begin_as(&self.owner.socket, &endpoint, Some(name))
            }
        }
    )+};
}

connects_as! {
    /// Connects to a peer that shall be called `name` here, whatever it calls itself: messages
    /// can be sent to it at once.
    ///
    /// ```
    /// use hubless::{Dealer, Router};
    ///
    /// let dealer = Dealer::new()?;
    /// let at = dealer.bind("tcp://127.0.0.1:0")?;
    /// let router = Router::new()?;
    /// router.connect_as(&at, "ann")?;
    /// router.send_to("ann", "hello")?;
    /// assert_eq!(dealer.recv()?[0], "hello");
    /// # Ok::<(), hubless::Error>(())
    /// ```
    Router;
    /// Connects to a peer that shall be called `name` here: octets can be sent to it at once.
    Stream;
}
