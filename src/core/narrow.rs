//! A stream that takes no more than so many octets at a time, for those who set the size of
//! writes. Others do not pay for it.

use std::io::{self, IoSlice};

use crate::reactor::metal::{Ends, SourceId, Stream};

/// A stream, and the most that one write offers it.
pub(super) struct Narrow {
    stream: Box<dyn Stream>,
    octets_max: usize,
}

impl Narrow {
    /// `stream` as it is if `octets_max` is 0.
    pub(super) fn over(stream: Box<dyn Stream>, octets_max: usize) -> Box<dyn Stream> {
        if octets_max == 0 {
            return stream;
        }
        Box::new(Narrow { stream, octets_max })
    }
}

impl Stream for Narrow {
    fn source(&self) -> SourceId {
        self.stream.source()
    }

    fn finish_connect(&self) -> io::Result<()> {
        self.stream.finish_connect()
    }

    fn read(&self, into: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
        self.stream.read(into, limit)
    }

    /// As many whole slices as fit, or else a part of the first.
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut octets = 0;
        let fits = |slice: &&IoSlice<'_>| {
            octets += slice.len();
            octets <= self.octets_max
        };
        match slices.iter().take_while(fits).count() {
            0 => {
                let first = slices.first().map_or(&[][..], |slice| slice);
                let part = &first[..first.len().min(self.octets_max)];
                self.stream.write(&[IoSlice::new(part)])
            }
            count => self.stream.write(&slices[..count]),
        }
    }

    fn ends(&self) -> Ends {
        self.stream.ends()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Notes what each write offers, and takes all of it.
    #[derive(Default)]
    struct Witness(std::sync::Arc<Mutex<Vec<usize>>>);

    impl Stream for Witness {
        fn source(&self) -> SourceId {
            7
        }

        fn finish_connect(&self) -> io::Result<()> {
            Ok(())
        }

        fn read(&self, _: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
            Ok(limit)
        }

        fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let octets = slices.iter().map(|slice| slice.len()).sum();
            self.0.lock().expect("one thread").push(octets);
            Ok(octets)
        }

        fn ends(&self) -> Ends {
            Ends::default()
        }
    }

    #[test]
    fn no_write_offers_more_than_was_said() {
        let witness = Witness::default();
        let offered = std::sync::Arc::clone(&witness.0);
        let stream = Narrow::over(Box::new(witness), 10);
        let [long, short] = [[0; 25].as_slice(), &[0; 4]];
        let written = |slices: &[&[u8]]| {
            let slices: Vec<IoSlice<'_>> = slices.iter().map(|it| IoSlice::new(it)).collect();
            stream.write(&slices).expect("it takes all")
        };
        assert_eq!(written(&[short, short, short]), 8);
        assert_eq!(written(&[long, short]), 10);
        assert_eq!(written(&[short, long]), 4);
        assert_eq!(written(&[]), 0);
        assert_eq!(*offered.lock().expect("one thread"), [8, 10, 4, 0]);
    }
}
