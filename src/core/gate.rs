//! The gate: asks who is to say whether a peer may come in, outside of all locks.
//!
//! ```text
//!   session ── Question, noted in Bells ──► judge ── Job::Judged ──► the same session
//!                                             │ Answer::Asked: the handler of ZAP answers later
//!                                             └────────────────── Job::Answered ──► the session
//! ```
//!
//! All who are there must let it in: the mechanism's own check, the authenticator, the handler.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    bells::Bells,
    job::Job,
    pollset::{PollSet, What},
    session::{Fare, Session},
    socket::Socket,
    terms::Terms,
    zap::Inquiry,
};
use crate::base::{
    auth::{AuthRequest, Credentials, Security, Verdict},
    event::Reason,
    time::Time,
};

/// A question that a session has asked.
#[derive(Debug)]
pub(crate) struct Question {
    /// The session's entry in its poll set.
    pub(super) entry: usize,
    /// Tells this session from another that gets the entry later.
    pub(super) number: u64,
    pub(super) request: Box<AuthRequest>,
    /// Those of its endpoint: who changes options later lets nobody in by them.
    pub(super) terms: Arc<Terms>,
}

/// What has become of a question.
#[derive(Debug)]
pub(crate) enum Answer {
    Verdict(Verdict),
    /// Nobody could say, for this reason.
    Refused(Reason),
    /// A handler has been asked.
    Asked(Box<Inquiry>),
}

impl Socket {
    /// Asks whether a peer may come in. The answer is a job for its poll set.
    pub(super) fn judge(&self, question: &Question) -> Job {
        let request = &question.request;
        let judge = || {
            mechanism_verdict(&question.terms, request).and(|| verdict(&question.terms, request))
        };
        // A panic in the user's code must not end the thread that drives everybody.
        let verdict = catch_unwind(AssertUnwindSafe(judge)).unwrap_or(Verdict::Failed);
        let answer = match verdict {
            Verdict::Allow { .. } => self.inquire(question, verdict),
            refused => Answer::Verdict(refused),
        };
        if let Answer::Verdict(verdict) = &answer {
            let (address, mechanism) = (&request.address, request.mechanism());
            log::debug!("{address} by {mechanism}: {}", verdict.status());
        }
        Job::Judged {
            entry: question.entry,
            question: question.number,
            answer,
        }
    }
}

impl Session {
    /// Has somebody asked whether the peer may come in.
    pub(super) fn ask(
        &mut self,
        socket: &Socket,
        entry: usize,
        mut request: Box<AuthRequest>,
        bells: &mut Bells,
    ) {
        request.address.clone_from(&self.info.address);
        request.domain.clone_from(&self.terms.options.zap_domain);
        let number = socket.context.next_serial();
        self.question = Some(number);
        bells.rare().questions.push(Question {
            entry,
            number,
            request,
            terms: Arc::clone(&self.terms),
        });
    }

    /// Is it this question that is not answered yet?
    pub(super) fn is_asking(&self, question: u64) -> bool {
        self.question == Some(question)
    }

    /// Takes the answer to its question; `None`: the handler that was asked may have answered.
    pub(super) fn handle_answer(
        &mut self,
        socket: &Socket,
        entry: usize,
        answer: Option<Answer>,
        now: Time,
        bells: &mut Bells,
    ) -> Fare {
        let verdict = match answer {
            Some(Answer::Verdict(verdict)) => Ok(verdict),
            Some(Answer::Refused(reason)) => Err(reason),
            Some(Answer::Asked(inquiry)) => {
                self.inquiry = Some(inquiry);
                return self.handle_answer(socket, entry, None, now, bells);
            }
            None => match self.inquiry.as_mut().and_then(|it| it.try_answer()) {
                Some(verdict) => verdict,
                None => return Fare::Waits,
            },
        };
        self.ask_no_more(bells);
        let step = match verdict {
            Ok(verdict) => self.engine.handle_verdict(now, verdict),
            Err(reason) => Err(self.engine.handle_no_verdict(reason)),
        };
        let fare = step.and_then(|step| self.step(socket, entry, step, bells));
        self.say(socket, bells);
        match fare {
            Ok(_) => Fare::Waits,
            Err(fault) => Fare::Over(fault),
        }
    }

    pub(super) fn ask_no_more(&mut self, bells: &mut Bells) {
        self.question = None;
        if let Some(inquiry) = self.inquiry.take() {
            inquiry.end(bells);
        }
    }
}

impl PollSet {
    /// Somebody has said whether a peer may come in; `None`: the handler that was asked.
    pub(super) fn handle_answer(
        &mut self,
        socket: &Socket,
        asked: (usize, u64),
        answer: Option<Answer>,
        now: Time,
        bells: &mut Bells,
    ) {
        let entry = asked.0;
        let what = self.take(entry);
        let answer = match (answer, what.session()) {
            (Some(answer), Some(session)) if session.is_asking(asked.1) => Some(answer),
            (None, Some(session)) if session.is_asking(asked.1) => None,
            // The session that asked is over.
            (answer, _) => {
                if let Some(Answer::Asked(inquiry)) = answer {
                    inquiry.end(bells);
                }
                return self.put_back(entry, what);
            }
        };
        match what {
            What::Dialer(mut dialer) => {
                let fate = dialer.handle_answer(socket, self, entry, answer, now, bells);
                let fate = self.end_if_done(socket, &mut dialer, fate, bells);
                self.settle(entry, What::Dialer(dialer), fate);
            }
            What::Accepted(mut accepted) => {
                let session = &mut accepted.session;
                let fare = session.handle_answer(socket, entry, answer, now, bells);
                let fate = self.follow_accepted(socket, &mut accepted, fare, bells);
                self.settle(entry, What::Accepted(accepted), fate);
            }
            other => self.put_back(entry, other),
        }
    }
}

fn mechanism_verdict(terms: &Terms, request: &AuthRequest) -> Verdict {
    match (&terms.options.security, &request.credentials) {
        (Security::PlainServer(Some(gate)), _) => gate.0.judge(request),
        // The handler of ZAP will be asked.
        (Security::PlainServer(None), _) => true.into(),
        // Nobody looks at a password here.
        (_, Credentials::Plain { .. }) => Verdict::Failed,
        _ => true.into(),
    }
}

fn verdict(terms: &Terms, request: &AuthRequest) -> Verdict {
    match &terms.options.authenticator {
        Some(gate) => gate.0.judge(request),
        None => true.into(),
    }
}
