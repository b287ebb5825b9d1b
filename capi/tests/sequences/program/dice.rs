//! What a sequence of octets says: numbers, texts, endpoints.

use std::{
    ffi::{CString, c_int},
    process,
};

/// What the octets say, one after the other; none is left in the end.
pub struct Dice<'a>(pub &'a [u8]);

impl<'a> Dice<'a> {
    pub fn octet(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.octet()) % end
    }

    pub fn octets(&mut self, most: usize) -> &'a [u8] {
        let count = self.below(most + 1).min(self.0.len());
        let (now, later) = self.0.split_at(count);
        self.0 = later;
        now
    }

    pub fn number(&mut self) -> c_int {
        match self.octet() {
            255 => c_int::MAX,
            254 => c_int::MIN,
            253 => 65_536,
            small => c_int::from(small) - 2,
        }
    }

    /// An endpoint that needs no network but the machine's own, and no names.
    pub fn endpoint(&mut self) -> CString {
        let local = &format!("ipc://@hubless-calls-{}-", process::id());
        let schemes = [
            "inproc://",
            "inproc://",
            "tcp://127.0.0.1:",
            local,
            "ipc://",
            "",
            "udp://",
        ];
        let scheme = schemes[self.below(schemes.len())];
        let common = ["a", "b", "*", "zeromq.zap.01", "m", "!"];
        let text = match self.below(common.len() + 1) {
            known if known < common.len() => common[known].to_owned(),
            _ if scheme == "ipc://" => "/nowhere/at/all".to_owned(),
            _ => self
                .octets(20)
                .iter()
                .map(|octet| char::from(octet % 127))
                .collect(),
        };
        let text: String = text.chars().filter(|letter| *letter != '\0').collect();
        CString::new(format!("{scheme}{text}")).expect("no zero in it")
    }
}
