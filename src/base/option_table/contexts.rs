//! The options of contexts: what each row means in [`ContextOptions`].

use super::{OptionName, OptionRow, OptionValue, lens::as_text, rows::CONTEXT};
use crate::base::{
    context_options::{ContextOptions, SOCKETS_MAX},
    error::{Error, ErrorKind},
    message::Message,
};

impl OptionRow {
    /// The row of a context option, to set or to read: number 3 is one to set and another to read.
    ///
    /// # Errors
    /// `InvalidOption` if there is none.
    pub(crate) fn find_of_context(
        option: OptionName<'_>,
        sets: bool,
    ) -> Result<&'static OptionRow, Error> {
        let same = |row: &&OptionRow| match option {
            OptionName::Name(name) => row.name == name.strip_prefix("ZMQ_").unwrap_or(name),
            OptionName::Number(number) => row.number == number && row.allows(sets),
        };
        let any = |row: &&OptionRow| matches!(option, OptionName::Number(it) if it == row.number);
        let found = CONTEXT.iter().find(same);
        let found = found.or_else(|| CONTEXT.iter().find(any));
        found.ok_or_else(|| Error::new(ErrorKind::InvalidOption, option.to_string()))
    }

    /// Sets an option of a context.
    ///
    /// # Errors
    /// `InvalidOption`: it cannot act here or is only read; a value of another kind, out of range,
    /// or that makes no sense.
    pub(crate) fn set_of_context(
        &self,
        options: &mut ContextOptions,
        value: &OptionValue,
    ) -> Result<(), Error> {
        self.check_value(value)?;
        let (number, text) = match value {
            OptionValue::Number(number) => (*number, number.to_string()),
            OptionValue::Octets(octets) => (0, as_text(octets).unwrap_or_default()),
        };
        let count = usize::try_from(number).unwrap_or_default();
        let small = i32::try_from(number).ok();
        let threads = &mut options.threads;
        match self.name {
            "IO_THREADS" => options.io_threads = count,
            "MAX_SOCKETS" => options.sockets_max = count,
            "THREAD_PRIORITY" => threads.priority = small,
            "THREAD_SCHED_POLICY" => threads.policy = small,
            "MAX_MSGSZ" => options.sent_octets_max = count,
            "THREAD_AFFINITY_CPU_ADD" => {
                threads.processors.insert(count);
            }
            "THREAD_AFFINITY_CPU_REMOVE" if threads.processors.remove(&count) => {}
            "THREAD_AFFINITY_CPU_REMOVE" => {
                return Err(self.wrong("that processor was not added"));
            }
            "THREAD_NAME_PREFIX" => threads.name_prefix = text,
            "IPV6" => options.ipv6 = count != 0,
            "BLOCKY" => options.lingers = count != 0,
            // What is always so has one value.
            _ => {}
        }
        Ok(())
    }

    /// What an option of a context says.
    ///
    /// # Errors
    /// `InvalidOption` if it cannot act here, or is only set.
    pub(crate) fn value_of_context(&self, options: &ContextOptions) -> Result<OptionValue, Error> {
        self.how().map_err(|why| self.wrong(why))?;
        let count = |count: usize| OptionValue::Number(i64::try_from(count).unwrap_or(i64::MAX));
        let number = |number: Option<i32>| OptionValue::Number(number.map_or(-1, i64::from));
        let threads = &options.threads;
        Ok(match self.name {
            "IO_THREADS" => count(options.io_threads),
            "MAX_SOCKETS" => count(options.sockets_max),
            "SOCKET_LIMIT" => count(SOCKETS_MAX),
            "THREAD_SCHED_POLICY" => number(threads.policy),
            "MAX_MSGSZ" => count(options.sent_octets_max),
            "MSG_T_SIZE" => count(size_of::<Message>()),
            "THREAD_NAME_PREFIX" => threads.name_prefix.as_str().into(),
            "ZERO_COPY_RECV" => true.into(),
            "IPV6" => options.ipv6.into(),
            "BLOCKY" => options.lingers.into(),
            _ => return Err(self.wrong("it is only set")),
        })
    }
}
