//! Z85: octets as text, five characters for four (RFC 32).

use std::{
    ffi::{CStr, c_char},
    ptr,
};

use crate::{
    entry::{guarded, octets},
    errno::Errno,
};

const DIGITS: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// The text of so many octets, which must be a multiple of four.
pub(crate) fn encode(octets: &[u8]) -> Result<Vec<u8>, Errno> {
    let words = octets.chunks_exact(4);
    if !words.remainder().is_empty() {
        return Err(Errno::EINVAL);
    }
    let digits = |word: &[u8]| {
        let word = word
            .iter()
            .fold(0, |sum, octet| sum << 8 | u32::from(*octet));
        [52_200_625, 614_125, 7225, 85, 1].map(|place| DIGITS[(word / place % 85) as usize])
    };
    Ok(words.flat_map(digits).collect())
}

/// The octets of a text, whose length must be a multiple of five, and not nothing.
pub(crate) fn decode(text: &[u8]) -> Result<Vec<u8>, Errno> {
    let words = text.chunks_exact(5);
    if !words.remainder().is_empty() || text.is_empty() {
        return Err(Errno::EINVAL);
    }
    let value = |character: &u8| DIGITS.iter().position(|digit| digit == character);
    let mut octets = Vec::with_capacity(text.len() / 5 * 4);
    for word in words {
        let sum = word.iter().try_fold(0_u64, |sum, character| {
            Some(sum * 85 + value(character)? as u64)
        });
        let word = sum.and_then(|sum| u32::try_from(sum).ok());
        octets.extend_from_slice(&word.ok_or(Errno::EINVAL)?.to_be_bytes());
    }
    Ok(octets)
}

/// The text of `size` octets, with its end, into `text`; `text`, or NULL.
///
/// # Safety
/// `size` octets at `data` can be read; five characters for each four of them, and one, can be
/// written at `text`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_z85_encode(
    text: *mut c_char,
    data: *const u8,
    size: usize,
) -> *mut c_char {
    guarded(ptr::null_mut(), || {
        if size % 4 != 0 {
            return Err(Errno::EINVAL);
        }
        if text.is_null() || (data.is_null() && size > 0) {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the same as ours.
        let encoded = encode(unsafe { octets(data.cast(), size) })?;
        // SAFETY: there is room for these and the end.
        unsafe {
            ptr::copy_nonoverlapping(encoded.as_ptr().cast(), text, encoded.len());
            *text.add(encoded.len()) = 0;
        }
        Ok(text)
    })
}

/// The octets of a text into `data`; `data`, or NULL.
///
/// # Safety
/// `text` is NULL or a C string; four octets for each five characters can be written at `data`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_z85_decode(data: *mut u8, text: *const c_char) -> *mut u8 {
    guarded(ptr::null_mut(), || {
        if data.is_null() || text.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: it is not NULL, so it is a C string.
        let decoded = decode(unsafe { CStr::from_ptr(text) }.to_bytes())?;
        // SAFETY: there is room for these.
        unsafe { ptr::copy_nonoverlapping(decoded.as_ptr(), data, decoded.len()) };
        Ok(data)
    })
}
