//! The gate: asks the user's authenticator about peers, outside of all locks.
//!
//! ```text
//!   session ── Question, noted in Bells ──► judge ── Job::Judged ──► the same session
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{job::Job, socket::Socket};
use crate::base::auth::{AuthRequest, Credentials, Security, Verdict};

/// A question that a session has asked.
#[derive(Debug)]
pub(crate) struct Question {
    /// The session's entry in its poll set.
    pub(super) entry: usize,
    /// Tells this session from another that gets the entry later.
    pub(super) number: u64,
    pub(super) request: Box<AuthRequest>,
}

impl Socket {
    /// Asks whether a peer may come in. The answer is a job for its poll set.
    pub(super) fn judge(&self, question: &Question) -> Job {
        let request = &question.request;
        let judge = || {
            self.mechanism_verdict(request)
                .and(|| self.verdict(request))
        };
        // A panic in the user's code must not end the thread that drives everybody.
        let verdict = catch_unwind(AssertUnwindSafe(judge)).unwrap_or(Verdict::Failed);
        log::debug!(
            "{} by {}: {}",
            request.address,
            request.mechanism(),
            verdict.status()
        );
        Job::Judged {
            entry: question.entry,
            question: question.number,
            verdict,
        }
    }

    fn mechanism_verdict(&self, request: &AuthRequest) -> Verdict {
        let terms = self.terms();
        match (&terms.options.security, &request.credentials) {
            (Security::PlainServer(gate), Credentials::Plain { .. }) => gate.0.judge(request),
            _ => true.into(),
        }
    }

    fn verdict(&self, request: &AuthRequest) -> Verdict {
        match &self.terms().options.authenticator {
            Some(gate) => gate.0.judge(request),
            None => true.into(),
        }
    }
}
